//! What all units of a running build share: the plan, its setting, the progress of units, what was learned, and the
//! receiver of events. It makes no decisions about single units.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use vx_cargo::{CompileMode, Package, Plan, PlannedUnit, UnitIndex};
use vx_model::{Action, Digest, Root, RootedPath, Roots, Template};
use vx_proto::{BuildEvent, Dispatch, EnvVar, ExecuteRequest, MessageFormat, Observation, Outcome, Process, WireError};
use vx_toolchain::Toolchain;

use super::ledger::{Ledger, UnitNote};
use super::progress::Board;
use super::sandbox::Sandbox;
use super::view::View;
use crate::engine::Engine;
use crate::engine::actions::{Again, Made, Stop, Surroundings};
use crate::engine::inputs::{CLOCK_TICK, Environment, Locator, Seen, absolute, interpret, link_programs, of_processes};
use crate::engine::report::{Audience, MessageFrame, Shown, messages};

/// What a run needs to know about its build.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The directories of the roots.
    pub(crate) roots: Roots,
    /// The toolchain for rustc and scripts.
    pub(crate) toolchain: Toolchain,
    /// The part of the user's environment that processes get.
    pub(crate) environment: Environment,
    /// The maximum number of processes of this build at once.
    pub(crate) jobs: Option<u32>,
    /// Whether units that do not depend on a failed one continue.
    pub(crate) keep_going: bool,
    /// Sockets of the user's agents, which are no build's business.
    pub(crate) agents: Vec<RootedPath>,
    /// What packages are granted.
    pub(crate) sandbox: Sandbox,
    /// Whether output directories of build scripts may be absent: nobody but compilers is told where they are.
    pub(crate) hides_out_dirs: bool,
    /// Whether Cargo's JSON messages are requested.
    pub(crate) message_format: MessageFormat,
    /// When the request arrived.
    pub(crate) requested: Instant,
    /// The receiver of events.
    pub(crate) events: UnboundedSender<BuildEvent>,
}

/// What the units of a running build share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) engine: Arc<Engine>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) setting: Setting,
    /// The progress of each unit.
    pub(crate) board: Board,
    /// Names of paths that processes use.
    pub(crate) locator: Locator,
    /// What contained processes find at other paths.
    pub(crate) view: View,
    /// The variables of processes, with paths named by role.
    environment: Arc<BTreeMap<String, Template>>,
    link_programs: OnceLock<BTreeMap<String, Template>>,
    priorities: Vec<u64>,
    jobs: Option<Semaphore>,
    failing: AtomicBool,
    shown: Shown,
    ledger: Mutex<Ledger>,
}

impl Context {
    /// For a build of `plan`; `durations` are milliseconds by unit identity, from earlier builds.
    pub(crate) fn new(engine: Arc<Engine>, plan: Arc<Plan>, setting: Setting, durations: HashMap<String, u64>) -> Self {
        let path_packages = plan.packages.iter().filter(|package| package.source.is_path());
        Self {
            board: Board::new(plan.units.len()),
            view: View::new(&setting.roots, path_packages.clone().map(|package| &package.root)),
            locator: Locator::new(setting.roots.clone(), path_packages.map(|package| &package.root))
                .with_environment(&setting.environment),
            environment: Arc::new(of_processes(
                &setting.environment,
                !setting.toolchain.is_on_path,
                &setting.roots,
            )),
            link_programs: OnceLock::new(),
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

    /// What the build has learned.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock()
    }

    /// The package of a unit.
    pub(crate) fn package(&self, unit: UnitIndex) -> &Package {
        self.plan.unit(unit).package
    }

    /// The surroundings of every action: the roots, and what processes get of the user's variables.
    pub(crate) fn surroundings(&self) -> Surroundings {
        Surroundings {
            roots: self.setting.roots.clone(),
            environment: self.environment.clone(),
        }
    }

    /// The paths of programs for linking, as facts of the host.
    pub(crate) fn link_programs(&self) -> &BTreeMap<String, Template> {
        self.link_programs.get_or_init(|| {
            let path = self
                .environment
                .get("PATH")
                .map(|path| path.render(&self.setting.roots));
            link_programs(&path.unwrap_or_default(), &self.setting.roots).collect()
        })
    }

    /// What identifies the toolchain.
    pub(crate) fn toolchain(&self) -> Digest {
        self.setting.toolchain.identity
    }

    /// What a run of a unit's action has besides its request.
    pub(crate) fn dispatch(&self, unit: UnitIndex, label: String) -> Dispatch {
        Dispatch {
            label,
            priority: self.priorities[unit],
            limits: self.setting.sandbox.limits,
        }
    }

    /// Waits until a process of this build may be started. The permit is held as long as the process runs.
    pub(crate) async fn admit(&self) -> Result<Option<SemaphorePermit<'_>>, Stop> {
        let job = match &self.jobs {
            Some(jobs) => jobs.acquire().await.ok(),
            None => None,
        };
        if self.is_ending() {
            return Err(Stop::Skipped);
        }
        // An edit made before the request can then be distinguished from one made after the start of a process.
        tokio::time::sleep_until(self.setting.requested + CLOCK_TICK + Duration::from_millis(2)).await;
        Ok(job)
    }

    /// Called before a crate is compiled: starts the build again if the output directory of its package's script is
    /// absent.
    pub(crate) fn need_out_dir(&self, unit: UnitIndex) -> Result<(), Stop> {
        let ledger = self.ledger();
        let mut dependencies = self.plan.units[unit].dependencies.iter();
        match dependencies.find(|dependency| ledger.absent_out_dirs.contains(&dependency.unit)) {
            None => Ok(()),
            Some(script) => {
                let workspace = self.setting.roots.dir(Root::Workspace);
                self.engine
                    .out_dirs
                    .need(workspace, &self.plan.units[script.unit].identity);
                Err(Stop::Again(Again::OutDir))
            }
        }
    }

    /// Records that a unit failed.
    pub(crate) fn fail(&self, error: WireError) {
        self.failing.store(true, Ordering::Relaxed);
        self.ledger().failures.push(error);
    }

    /// Records that the build has to start again.
    pub(crate) fn start_again(&self, because: Again) {
        self.failing.store(true, Ordering::Relaxed);
        self.ledger().again = Some(because);
    }

    /// Whether nothing new may be started.
    fn is_ending(&self) -> bool {
        self.failing.load(Ordering::Relaxed) && (!self.setting.keep_going || self.ledger().again.is_some())
    }

    /// Sends an event to the client.
    pub(crate) fn tell(&self, event: BuildEvent) {
        // Nobody listens anymore if the build was cancelled: its task is about to be dropped.
        let _ = self.setting.events.send(event);
    }

    /// Sends an event that is sent again if nothing has changed.
    pub(crate) fn tell_lasting(&self, event: BuildEvent) {
        self.ledger().replay.push(event.clone());
        self.tell(event);
    }

    /// Reports that the process of a unit has started.
    pub(crate) fn tell_start(&self, unit: UnitIndex, request: &ExecuteRequest) {
        let verb = match self.plan.units[unit].compile_mode() {
            Some(CompileMode::Document) => "Documenting",
            Some(mode) if mode.is_check() => "Checking",
            _ => "Compiling",
        };
        self.tell(BuildEvent::UnitStarted {
            unit: unit as u32,
            label: self.plan.unit(unit).label(&self.setting.roots),
            verb: verb.to_owned(),
            process: Process {
                working_directory: self.view.outside(&request.working_directory).into_owned(),
                arguments: request
                    .arguments
                    .iter()
                    .map(|text| self.view.outside(text).into_owned())
                    .collect(),
                environment: request
                    .environment
                    .iter()
                    .map(|variable| self.outside(variable))
                    .collect(),
            },
        });
    }

    fn outside(&self, variable: &EnvVar) -> EnvVar {
        EnvVar {
            name: variable.name.clone(),
            value: self.view.outside(&variable.value).into_owned(),
        }
    }

    /// Reports that a unit is done.
    pub(crate) fn finished(&self, unit: UnitIndex, outcome: Outcome) {
        self.ledger().outcomes.insert(unit, outcome);
        let label = self.plan.unit(unit).label(&self.setting.roots);
        self.tell(BuildEvent::UnitFinished {
            unit: unit as u32,
            label,
            outcome,
        });
    }

    /// Records how long the process of a unit took.
    pub(crate) fn note_duration(&self, unit: UnitIndex, milliseconds: u64) {
        let identity = self.plan.units[unit].identity.clone();
        self.ledger().durations.insert(identity, milliseconds);
    }

    /// The audience of a unit's diagnostics.
    pub(crate) fn audience(&self, unit: UnitIndex) -> Audience<'_> {
        if self.shows_diagnostics() {
            return Audience::People {
                unit,
                shown: &self.shown,
            };
        }
        Audience::Programs(MessageFrame {
            keeps_colors: self.setting.message_format == MessageFormat::JsonRenderedAnsi,
            ..messages::frame(self.plan.unit(unit), &self.setting.roots)
        })
    }

    /// Whether diagnostics are for people.
    pub(crate) fn shows_diagnostics(&self) -> bool {
        matches!(
            self.setting.message_format,
            MessageFormat::Human | MessageFormat::JsonRenderDiagnostics
        )
    }

    /// Interprets the observation of a run; `None`, with a warning, if the process could not be observed.
    pub(crate) fn observed(&self, action: &Action, observation: &Observation) -> Option<Seen> {
        match observation {
            Observation::NotAsked => Some(Seen::default()),
            Observation::Complete(accesses) => Some(interpret(accesses, &action.access, &self.locator)),
            Observation::Incomplete(reason) => {
                self.engine.warn_unobserved(reason, &self.setting.events);
                None
            }
        }
    }

    /// Records what an action depends on.
    pub(crate) fn note(&self, unit: UnitIndex, action: Arc<Action>, made: &Arc<Made>) {
        let note = UnitNote {
            name: self.unit_name(unit),
            label: self.plan.unit(unit).label(&self.setting.roots),
            action,
            made: made.clone(),
        };
        let mut ledger = self.ledger();
        for (input, answer) in made.inputs.inputs().iter().zip(&made.answers) {
            if let Some(input) = absolute(input, &self.setting.roots) {
                ledger.note(input, answer.clone());
            }
        }
        ledger.unsettled |= made.is_unsettled;
        ledger.units.push(note);
    }

    /// The unit's name for explanations, which does not depend on its features or profile.
    fn unit_name(&self, unit: UnitIndex) -> String {
        let PlannedUnit { unit, package, .. } = self.plan.unit(unit);
        let platform = unit.platform.as_deref().unwrap_or("host");
        let target = &unit.target;
        let kind = target.kind.join("+");
        format!(
            "{} {} {kind} {} {platform} {:?}",
            package.name, package.version, target.name, unit.kind
        )
    }
}

/// The length of the longest chain of units that begins with each unit, in milliseconds.
fn priorities(plan: &Plan, durations: &HashMap<String, u64>) -> Vec<u64> {
    /// Assumed for a unit that has never run: about the time for a small crate.
    const UNKNOWN_MS: u64 = 500;
    let own = |unit: UnitIndex| durations.get(&plan.units[unit].identity).copied().unwrap_or(UNKNOWN_MS);
    let mut lengths: Vec<u64> = (0..plan.units.len()).map(own).collect();
    // Dependencies come before dependents, so in reverse order every dependent is final before it is used.
    for unit in (0..plan.units.len()).rev() {
        for dependency in &plan.units[unit].dependencies {
            lengths[dependency.unit] = lengths[dependency.unit].max(own(dependency.unit) + lengths[unit]);
        }
    }
    lengths
}
