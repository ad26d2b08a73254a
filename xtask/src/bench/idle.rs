//! What the services cost while nobody builds.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::sandbox::{Sandbox, Service};

/// How long the services are watched.
const WATCHED: Duration = Duration::from_secs(5);

/// The unit of processor times in `/proc`, on every Linux (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// One service at rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Idle {
    /// `daemon`, `cas` or `exec`.
    pub(super) name: String,
    /// Resident memory.
    pub(super) resident_bytes: u64,
    /// Processor time, as a part of the time watched.
    pub(super) cpu: f64,
}

impl Idle {
    /// Resident memory for people.
    pub(super) fn mebibytes(&self) -> f64 {
        self.resident_bytes as f64 / f64::from(1 << 20)
    }
}

/// Watches the services of a home.
pub(super) fn measure(sandbox: &Sandbox) -> Result<Vec<Idle>> {
    let services = sandbox.services()?;
    let before = services.iter().map(cpu_ticks).collect::<Result<Vec<_>>>()?;
    // Time has to pass: there is no event in being idle.
    thread::sleep(WATCHED);
    let watched_ticks = WATCHED.as_secs_f64() * TICKS_PER_SECOND;
    services
        .iter()
        .zip(before)
        .map(|(service, before)| {
            Ok(Idle {
                name: service.name.clone(),
                resident_bytes: resident_bytes(service)?,
                cpu: (cpu_ticks(service)? - before) as f64 / watched_ticks,
            })
        })
        .collect()
}

/// User and system time (fields 14 and 15 of `/proc/PID/stat`; the second may hold blanks and ends with a parenthesis).
fn cpu_ticks(service: &Service) -> Result<u64> {
    let stat = read(service, "stat")?;
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields.split_ascii_whitespace());
    let times = fields.into_iter().flatten().skip(11).take(2);
    times
        .map(|field| field.parse::<u64>().context("cannot read the times of a process"))
        .sum()
}

/// `VmRSS` of `/proc/PID/status`, which counts in KiB.
fn resident_bytes(service: &Service) -> Result<u64> {
    let status = read(service, "status")?;
    let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = value.and_then(|value| value.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kibibytes.context("cannot read the size of a process")? * 1024)
}

fn read(service: &Service, file: &str) -> Result<String> {
    let path = format!("/proc/{}/{file}", service.pid);
    fs::read_to_string(&path).with_context(|| format!("cannot read {path} of {}", service.name))
}
