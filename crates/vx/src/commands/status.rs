//! `vx status`: the daemon, its services, builds under way and the store. Starts nothing.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use vx_proto::{BuildStatus, DaemonClient, DaemonStatus, WireError};
use vx_service::Service;

use crate::Invocation;
use crate::cli::{Format, StatusArguments};
use crate::client::block_on;
use crate::environment::Environment;

/// The daemon's time limit. It asks its services, which may have to be restarted.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Runs the command. Succeeds even if nothing runs, and says so.
pub(crate) fn run(arguments: &StatusArguments, invocation: &mut Invocation<'_>) -> Result<ExitCode, WireError> {
    let environment = &invocation.environment;
    let status = block_on(ask(environment))?;
    let home = environment.home.root().as_str();
    invocation.screen.answer(&match (arguments.message_format, status) {
        (Format::Human, Some(status)) => for_people(home, &status),
        (Format::Human, None) => format!("no daemon is running in {home}"),
        (Format::Json, status) => for_programs(home, status.as_ref()).to_string(),
    });
    Ok(ExitCode::SUCCESS)
}

async fn ask(environment: &Environment) -> Result<Option<DaemonStatus>, WireError> {
    let Some(session) = environment.daemon_access().connect_running().await? else {
        return Ok(None);
    };
    let client = DaemonClient::new(session.rpc());
    let answer = session.call(ANSWER_LIMIT, async move { client.status().await }).await;
    answer
        .map_err(|error| Service::Daemon.unanswered(&error))?
        .into_result()
        .map(Some)
}

fn for_people(home: &str, status: &DaemonStatus) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<9}{value}");
    };
    line("home", home.to_owned());
    line("version", status.version.clone());
    line(
        "uptime",
        humantime::format_duration(seconds(status.uptime_ms)).to_string(),
    );
    for service in &status.services {
        line(&service.name, format!("{}, process {}", service.endpoint, service.pid));
    }
    let exec = &status.exec;
    line(
        "jobs",
        format!(
            "{} running, {} waiting, at most {}",
            exec.running, exec.waiting, exec.jobs
        ),
    );
    let cas = &status.cas;
    line(
        "store",
        format!(
            "{} in {}, {}",
            bytes(cas.bytes),
            counted(cas.blobs, "blob"),
            counted(cas.results, "result")
        ),
    );
    match status.builds.as_slice() {
        [] => line("builds", "none".to_owned()),
        builds => builds.iter().for_each(|build| line("build", build_for_people(build))),
    }
    text
}

fn build_for_people(build: &BuildStatus) -> String {
    let progress = match build.units {
        0 => "planning".to_owned(),
        units => format!("{} of {units} units", build.done),
    };
    let age = humantime::format_duration(seconds(build.running_ms));
    format!("{}, {progress}, for {age}", build.workspace)
}

/// `1 blob`, `3 blobs`.
fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// Whole seconds: nobody reads the rest.
fn seconds(milliseconds: u64) -> Duration {
    Duration::from_secs(milliseconds / 1000)
}

/// `512 B`, `3.4 MiB`.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    // One decimal of a number for people: the precision of f64 is plenty.
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// One line of JSON; `daemon` is null if none runs.
fn for_programs(home: &str, status: Option<&DaemonStatus>) -> Value {
    let daemon = status.map(|status| {
        let services: Vec<Value> = status
            .services
            .iter()
            .map(|service| json!({ "name": service.name, "endpoint": service.endpoint, "pid": service.pid }))
            .collect();
        let builds: Vec<Value> = status
            .builds
            .iter()
            .map(|build| {
                json!({
                    "workspace": build.workspace,
                    "running_ms": build.running_ms,
                    "done": build.done,
                    "units": build.units,
                })
            })
            .collect();
        json!({
            "version": status.version,
            "uptime_ms": status.uptime_ms,
            "services": services,
            "builds": builds,
            "store": {
                "blobs": status.cas.blobs,
                "bytes": status.cas.bytes,
                "results": status.cas.results,
            },
            "exec": {
                "jobs": status.exec.jobs,
                "running": status.exec.running,
                "waiting": status.exec.waiting,
                "started": status.exec.started,
            },
        })
    });
    json!({ "home": home, "daemon": daemon })
}

#[cfg(test)]
mod tests {
    use vx_proto::{CasStatus, ExecStatus, ServiceStatus};

    use super::*;

    fn example() -> DaemonStatus {
        DaemonStatus {
            version: "0.1.0".to_owned(),
            uptime_ms: 62_500,
            services: vec![ServiceStatus {
                name: "daemon".to_owned(),
                endpoint: "127.0.0.1:4000".to_owned(),
                pid: 7,
            }],
            builds: vec![BuildStatus {
                workspace: "/w".to_owned(),
                running_ms: 3_999,
                done: 2,
                units: 5,
            }],
            cas: CasStatus {
                blobs: 3,
                bytes: 3 << 20,
                results: 1,
                ..CasStatus::default()
            },
            exec: ExecStatus {
                jobs: 4,
                running: 1,
                ..ExecStatus::default()
            },
        }
    }

    #[test]
    fn people_read_one_fact_a_line() {
        insta::assert_snapshot!(for_people("/home/ada/.vx", &example()), @r"
        home     /home/ada/.vx
        version  0.1.0
        uptime   1m 2s
        daemon   127.0.0.1:4000, process 7
        jobs     1 running, 0 waiting, at most 4
        store    3.0 MiB in 3 blobs, 1 result
        build    /w, 2 of 5 units, for 3s
        ");
    }

    #[test]
    fn programs_see_that_nothing_runs() {
        assert_eq!(for_programs("/h", None).to_string(), r#"{"daemon":null,"home":"/h"}"#);
    }

    #[test]
    fn sizes_have_the_unit_that_fits() {
        let sizes = [0, 1023, 1024, 1536, 1 << 30, u64::MAX].map(bytes);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 GiB", "16384.0 PiB"]);
    }
}
