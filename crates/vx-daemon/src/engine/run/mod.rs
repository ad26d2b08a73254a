//! One run over a plan: every unit is a task that waits for what it needs.
//!
//! `compile` and `script` know what a unit of each kind asks and leaves, `action` looks results up, runs what is missing
//! and publishes it.

mod action;
mod compile;
mod last_script;
mod out_dir;
mod script;
mod traces;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::Instant;
use vx_cargo::{Plan, UnitIndex, UnitKind};
use vx_model::Roots;
use vx_proto::{BuildEvent, ErrorKind, MessageFormat, Outcome, WireError};
use vx_toolchain::Toolchain;

use super::Engine;
use super::diagnostics::{Audience, MessageFrame, Shown};
use super::environment::Environment;
use super::files::CLOCK_TICK;
use super::ledger::Ledger;
use super::progress::{Board, Progress, Stop};

/// What a run needs to know of its build.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Workspace, home and toolchain.
    pub(crate) roots: Roots,
    /// What rustc and the scripts come from.
    pub(crate) toolchain: Toolchain,
    /// The user's environment, as far as processes get it.
    pub(crate) environment: Environment,
    /// At most so many processes of this build at once.
    pub(crate) jobs: Option<u32>,
    /// Whether units that do not depend on a failed one go on.
    pub(crate) keep_going: bool,
    /// Whether Cargo's JSON messages are wanted.
    pub(crate) message_format: MessageFormat,
    /// When the request came.
    pub(crate) requested: Instant,
    /// Where events go.
    pub(crate) events: UnboundedSender<BuildEvent>,
}

/// A run over a plan.
#[derive(Debug)]
pub(crate) struct Run {
    engine: Arc<Engine>,
    plan: Arc<Plan>,
    setting: Setting,
    board: Board,
    priorities: Vec<u64>,
    jobs: Option<Semaphore>,
    failing: AtomicBool,
    shown: Shown,
    ledger: Mutex<Ledger>,
}

impl Run {
    /// Prepares a run; `durations` are milliseconds by unit identity, from earlier runs.
    pub(crate) fn new(
        engine: Arc<Engine>,
        plan: Arc<Plan>,
        setting: Setting,
        durations: std::collections::HashMap<String, u64>,
    ) -> Self {
        Self {
            board: Board::new(plan.units.len()),
            priorities: priorities(&plan, &durations),
            jobs: setting.jobs.map(|jobs| Semaphore::new(jobs as usize)),
            failing: AtomicBool::new(false),
            shown: Shown::default(),
            ledger: Mutex::new(Ledger {
                durations,
                ..Ledger::default()
            }),
            engine,
            plan,
            setting,
        }
    }

    /// Makes all units. Dropping the future stops everything that runs for it.
    pub(crate) async fn finish(self: &Arc<Self>) {
        let mut tasks = JoinSet::new();
        for unit in 0..self.plan.units.len() {
            let run = self.clone();
            tasks.spawn(async move { run.unit(unit).await });
        }
        while let Some(joined) = tasks.join_next().await {
            if let Err(error) = joined {
                self.fail(WireError::from_error(ErrorKind::Internal, &error));
                return;
            }
        }
    }

    /// Passes on what Cargo warned of while it planned.
    pub(crate) fn tell_warnings(&self) {
        for warning in &self.plan.warnings {
            self.tell_lasting(BuildEvent::Warning(warning.render(&self.setting.roots)));
        }
    }

    /// What the run has learned.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What units left.
    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    async fn unit(self: &Arc<Self>, unit: UnitIndex) {
        let made = match self.plan.units[unit].kind {
            UnitKind::Compile(_) => self.compile(unit).await,
            UnitKind::RunBuildScript => self.script(unit).await,
            // It is the client's to do when everything is built.
            UnitKind::TestDocumentation => return,
        };
        if let Err(stop) = made {
            match stop {
                Stop::Skipped => {}
                Stop::Hole => {
                    self.failing.store(true, Ordering::Relaxed);
                    self.ledger().hole = true;
                }
                Stop::Failed(error) => self.fail(error),
            }
            self.board.set(unit, Progress::Failed);
        }
    }

    fn fail(&self, error: WireError) {
        self.failing.store(true, Ordering::Relaxed);
        self.ledger().failures.push(error);
    }

    /// Whether nothing new may be started.
    fn is_ending(&self) -> bool {
        self.failing.load(Ordering::Relaxed) && (!self.setting.keep_going || self.ledger().hole)
    }

    fn tell(&self, event: BuildEvent) {
        // Nobody listens any more when the build was cancelled: its task is about to be dropped.
        let _ = self.setting.events.send(event);
    }

    /// Tells an event that is to be told again when nothing has changed.
    fn tell_lasting(&self, event: BuildEvent) {
        self.ledger().replay.push(event.clone());
        self.tell(event);
    }

    fn finished(&self, unit: UnitIndex, outcome: Outcome) {
        self.ledger().outcomes.insert(unit, outcome);
        let label = self.plan.label(unit, &self.setting.roots);
        self.tell(BuildEvent::UnitFinished {
            unit: unit as u32,
            label,
            outcome,
        });
    }

    /// Whom the diagnostics of a unit are for.
    fn audience(&self, unit: UnitIndex) -> Audience<'_> {
        if self.shows_diagnostics() {
            return Audience::People {
                unit,
                shown: &self.shown,
            };
        }
        Audience::Programs(MessageFrame {
            keeps_colors: self.setting.message_format == MessageFormat::JsonRenderedAnsi,
            ..super::messages::frame(&self.plan, unit, &self.setting.roots)
        })
    }

    /// Whether diagnostics are for people.
    fn shows_diagnostics(&self) -> bool {
        matches!(
            self.setting.message_format,
            MessageFormat::Human | MessageFormat::JsonRenderDiagnostics
        )
    }

    /// Waits until an edit made before the request can be told from one made after the start of a process.
    async fn let_clock_tick(&self) {
        let settled = self.setting.requested + CLOCK_TICK + Duration::from_millis(2);
        tokio::time::sleep_until(settled).await;
    }
}

/// The length of the longest chain of units that begins with each unit, in milliseconds.
fn priorities(plan: &Plan, durations: &std::collections::HashMap<String, u64>) -> Vec<u64> {
    /// Taken for a unit that has never run: about what a small crate takes.
    const UNKNOWN_MS: u64 = 500;
    let own = |unit: UnitIndex| durations.get(&plan.units[unit].identity).copied().unwrap_or(UNKNOWN_MS);
    let mut lengths: Vec<u64> = (0..plan.units.len()).map(own).collect();
    // Dependencies come before dependants, so going backwards every dependant is final before it is used.
    for unit in (0..plan.units.len()).rev() {
        for dependency in &plan.units[unit].dependencies {
            lengths[dependency.unit] = lengths[dependency.unit].max(own(dependency.unit) + lengths[unit]);
        }
    }
    lengths
}
