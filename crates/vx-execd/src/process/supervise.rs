//! The thread of one action: starts the process, observes it if requested, waits for it, and kills what it leaves behind.
//!
//! A thread of its own, because the kernel ties two things to the *thread* that forks: the signal that kills the child
//! when its parent dies, and the right to trace it.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use camino::Utf8Path;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus, kill_process, pidfd_open, waitid, waitpid,
};
use tokio::sync::oneshot;
use vx_model::VIEW;
use vx_proto::{Containment, Mount, Observation};

use super::spawn::{Child, Go, Prepared, Report, Step};
use super::{Ended, Launch, LaunchError, Namespaces, Process, Running, Tree};
use crate::observe::{Listener, Reach, Scope, Tracer};
use crate::reap::{self, Mark, with_mains};

/// Starts a process; returns when its program runs.
pub(crate) async fn launch(launch: Launch) -> Result<Running, LaunchError> {
    let failed = |subject: &str, source: io::Error| LaunchError {
        step: "start a thread for",
        subject: subject.to_owned(),
        source,
    };
    let label = launch.label.clone();
    let (started, answer) = oneshot::channel();
    std::thread::Builder::new()
        .name(format!("run {label}"))
        .spawn(move || supervise(&launch, started))
        .map_err(|error| failed(&label, error))?;
    match answer.await {
        Ok(answer) => answer,
        Err(gone) => Err(failed(&label, io::Error::other(gone))),
    }
}

/// How a main process ended, which has been reaped.
struct End {
    status: Option<WaitStatus>,
    at: Instant,
    leftovers: usize,
}

/// Its end, and what was observed.
struct Death {
    end: End,
    observation: Observation,
    reach: Reach,
}

impl End {
    fn death(self, observation: Observation, reach: Reach) -> Death {
        Death {
            end: self,
            observation,
            reach,
        }
    }
}

/// Why this machine refuses to contain processes; `None` if it does not. `tmpdir` is a directory for the attempt.
pub(crate) fn refused_containment(tmpdir: &Utf8Path) -> Option<String> {
    /// No program: what cannot be run was contained.
    const NOTHING: &str = "/dev/null/nothing";
    let containment = Containment {
        view: vec![Mount {
            from: tmpdir.to_string(),
            at: VIEW.to_owned(),
        }],
        ..Containment::default()
    };
    let namespaces = match Namespaces::new(
        &containment,
        &[tmpdir.to_owned()],
        tmpdir,
        &tmpdir.join("changes"),
        None,
    ) {
        Ok(namespaces) => namespaces,
        Err(error) => return Some(error.to_string()),
    };
    let attempt = Launch {
        label: "containment".to_owned(),
        program: NOTHING.into(),
        arguments: Vec::new(),
        environment: Vec::new(),
        working_directory: "/".into(),
        tmpdir: tmpdir.to_owned(),
        descriptors: Vec::new(),
        observe: None,
        known: None,
        only_traced: false,
        namespaces: Some(namespaces),
    };
    let (child, process) = match start(&attempt) {
        Ok(started) => started,
        Err(error) => return Some(why_no_namespace(&error.source)),
    };
    let tried = Supervised {
        launch: &attempt,
        pid: child.pid,
        reports: &child.reports,
        gate: &child.gate,
        tree: &process.tree,
    };
    match tried.run(|| {}) {
        Err(report) if report.step == Step::Exec => None,
        Err(report) => Some(format!("{:?}: {}", report.step, report.error)),
        Ok(_) => Some("the process was killed".to_owned()),
    }
}

/// What an error of `clone` means, which by itself says little.
fn why_no_namespace(error: &io::Error) -> String {
    let meaning = match error.raw_os_error() {
        Some(libc::ENOSPC) => "user.max_user_namespaces is reached, or 0",
        Some(libc::EPERM) => "user namespaces are not permitted",
        Some(libc::EINVAL | libc::ENOSYS) => "the kernel has no user namespaces",
        _ => return error.to_string(),
    };
    meaning.to_owned()
}

fn supervise(launch: &Launch, started: oneshot::Sender<Result<Running, LaunchError>>) {
    let (child, process) = match start(launch) {
        Ok(child) => child,
        Err(error) => {
            // Nobody listens if the action was cancelled.
            let _ = started.send(Err(error));
            return;
        }
    };
    let since = Instant::now();
    let tree = process.tree.clone();
    let (end, ended) = oneshot::channel();
    let Child {
        pid,
        stdout,
        stderr,
        reports,
        gate,
    } = child;
    let mut unannounced = Some((
        started,
        Running {
            process,
            stdout,
            stderr,
            ended,
        },
    ));
    let announce = || {
        if let Some((started, running)) = unannounced.take() {
            // If nobody listens any more, dropping `running` kills the process.
            let _ = started.send(Ok(running));
        }
    };
    let supervised = Supervised {
        launch,
        pid,
        reports: &reports,
        gate: &gate,
        tree: &tree,
    };
    let result = supervised.run(announce);
    match (result, unannounced) {
        (
            Ok(Death {
                end: how,
                observation,
                reach,
            }),
            None,
        ) => {
            let _ = end.send(Ended {
                exit_code: how.status.and_then(WaitStatus::exit_status),
                signal: how.status.and_then(WaitStatus::terminating_signal),
                duration: how.at.duration_since(since),
                leftovers: how.leftovers,
                observation,
                reach,
            });
        }
        (Ok(_), Some((started, _))) => {
            let gone = LaunchError {
                step: "start",
                subject: launch.program.to_string(),
                source: io::Error::other("it was killed before its program ran"),
            };
            let _ = started.send(Err(gone));
        }
        (Err(report), Some((started, _))) => {
            let _ = started.send(Err(report.into_error(launch)));
        }
        (Err(_), None) => unreachable!("a program that runs reports nothing"),
    }
}

/// Forks; the child waits at its gate.
fn start(launch: &Launch) -> Result<(Child, Process), LaunchError> {
    let prepared = Prepared::new(launch)?;
    let failed = |source: io::Error| LaunchError {
        step: "start a process for",
        subject: launch.program.to_string(),
        source,
    };
    let child = with_mains(|mains| {
        let child = prepared.fork()?;
        mains.insert(child.pid);
        Ok(child)
    })
    .map_err(failed)?;
    match pidfd_open(child.pid, PidfdFlags::empty()) {
        Ok(pidfd) => {
            let process = Process {
                pid: child.pid,
                pidfd,
                tree: Arc::default(),
            };
            Ok((child, process))
        }
        Err(error) => {
            // The child was not reaped, so the number is still its own.
            let _ = kill_process(child.pid, Signal::KILL);
            reap_main(child.pid);
            Err(failed(error.into()))
        }
    }
}

struct Supervised<'a> {
    launch: &'a Launch,
    pid: Pid,
    reports: &'a OwnedFd,
    gate: &'a OwnedFd,
    tree: &'a Tree,
}

impl Supervised<'_> {
    /// Runs the process to its end; calls `announce` when its program runs, and returns the child's report if it never
    /// does.
    fn run(&self, announce: impl FnMut()) -> Result<Death, Report> {
        let Some(scope) = &self.launch.observe else {
            return self.run_unobserved(Observation::NotAsked, announce);
        };
        if !self.launch.only_traced
            && let Some(listener) = self.listen(scope)?
        {
            return self.run_listened(listener, announce);
        }
        match Tracer::seize(self.pid, scope.clone()) {
            Ok(tracer) => self.run_traced(tracer, announce),
            Err(error) => {
                let reason = format!("the kernel refused tracing: {error}");
                self.run_unobserved(Observation::Incomplete(reason), announce)
            }
        }
    }

    /// Lets the process go on to where it executes its program, and is listened to. `None` if the kernel refuses; then
    /// it waits at its gate again.
    fn listen(&self, scope: &Scope) -> Result<Option<Listener>, Report> {
        self.open_gate(Go::Listened);
        let Some(report) = Report::read(self.reports) else {
            return Ok(None);
        };
        match report.listener {
            Some(descriptor) => Ok(Some(Listener::new(
                descriptor,
                scope.clone(),
                self.launch.known.clone(),
            ))),
            None if report.step == Step::Filter => Ok(None),
            None => {
                reap_main(self.pid);
                Err(report)
            }
        }
    }

    fn run_unobserved(&self, observation: Observation, mut announce: impl FnMut()) -> Result<Death, Report> {
        self.open_gate(Go::Unobserved);
        let report = Report::read(self.reports);
        if report.is_none() {
            announce();
        }
        wait_without_reaping(self.pid);
        let end = self.end(&HashSet::new());
        report.map_or_else(|| Ok(end.death(observation, Reach::default())), Err)
    }

    fn run_listened(&self, mut listener: Listener, announce: impl FnMut()) -> Result<Death, Report> {
        let report = self.answer_until_end(&mut listener, announce);
        let end = self.end(listener.seen());
        let (observation, reach) = listener.finish();
        report.map_or_else(|| Ok(end.death(observation, reach)), Err)
    }

    /// Answers calls until the main process has ended; returns its report if its program never ran.
    fn answer_until_end(&self, listener: &mut Listener, mut announce: impl FnMut()) -> Option<Report> {
        let process = pidfd_open(self.pid, PidfdFlags::empty()).ok()?;
        let mut is_starting = true;
        loop {
            let events = {
                let mut waited = [
                    PollFd::new(&process, PollFlags::IN),
                    PollFd::new(listener.descriptor(), PollFlags::IN),
                    PollFd::new(self.reports, PollFlags::IN),
                ];
                let count = if is_starting { 3 } else { 2 };
                // Interrupted by a signal, it waits again.
                let _ = poll(&mut waited[..count], None);
                waited.map(|waited| waited.revents())
            };
            let [ended, called, reported] = events;
            if is_starting && !(ended | reported).is_empty() {
                is_starting = false;
                match Report::read(self.reports) {
                    None => announce(),
                    report => {
                        wait_without_reaping(self.pid);
                        return report;
                    }
                }
            }
            if called.contains(PollFlags::IN) && ended.is_empty() {
                listener.answer();
            } else if !(ended | called).is_empty() {
                // Hung up, all have ended, but the kernel may still be busy with it.
                wait_without_reaping(self.pid);
                return None;
            }
        }
    }

    /// Kills what the main process, which has ended, left behind, and reaps it.
    fn end(&self, seen: &HashSet<Pid>) -> End {
        let at = Instant::now();
        // The number of the main process, and so of its session, is not reused until it is reaped.
        let leftovers = self.kill_leftovers(seen);
        End {
            status: reap_main(self.pid),
            at,
            leftovers,
        }
    }

    fn run_traced(&self, tracer: Tracer, mut announce: impl FnMut()) -> Result<Death, Report> {
        self.open_gate(Go::Traced);
        let mut executed = false;
        let trace = tracer.run(|| {
            executed = true;
            // The child's end is closed by now, so this does not wait.
            let refusal = Report::read(self.reports)
                .map(|report| format!("the kernel refused a seccomp filter: {}", report.error));
            announce();
            refusal
        });
        with_mains(|mains| mains.remove(&self.pid));
        self.kill_leftovers(&trace.seen);
        let report = std::iter::from_fn(|| Report::read(self.reports)).find(|report| report.step != Step::Filter);
        match report {
            Some(report) if !executed => Err(report),
            _ => {
                let end = End {
                    status: trace.status,
                    at: trace.main_ended,
                    leftovers: trace.leftovers,
                };
                Ok(end.death(trace.observation, trace.reach))
            }
        }
    }

    fn open_gate(&self, go: Go) {
        // Fails if the child was killed meanwhile; then only its end is left to wait for.
        let _ = rustix::io::write(self.gate, &[go as u8]);
    }

    fn kill_leftovers(&self, seen: &HashSet<Pid>) -> usize {
        let mut doomed = self.tree.doomed.lock().clone();
        doomed.extend(seen);
        let mark = Mark {
            leader: self.pid,
            tmpdir: &self.launch.tmpdir,
        };
        reap::kill_leftovers(mark, &doomed)
    }
}

fn wait_without_reaping(pid: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
}

/// Takes the exit status of a main process and removes it from the list.
fn reap_main(pid: Pid) -> Option<WaitStatus> {
    wait_without_reaping(pid);
    with_mains(|mains| {
        let waited = waitpid(Some(pid), WaitOptions::NOHANG);
        mains.remove(&pid);
        waited.ok().flatten().map(|(_, status)| status)
    })
}
