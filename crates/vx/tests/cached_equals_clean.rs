//! The most important test: after any sequence of edits, what vx has built behaves as if built from nothing.
//!
//! A seeded generator edits a small workspace: sources, manifests, features, dependencies, profiles, lints, flags, a build
//! script and a macro with the files and variables that they read (by names that are put together, through children, links
//! and directories that links lead to, by their modes), a package beside the workspace, new and removed files. It also goes back to earlier
//! states, works in a second checkout or in both at once, checks between builds, restarts the daemon, and removes or damages
//! outputs and the store. After each step
//!
//! - the programs must do what the model of the workspace says, and the warnings that it knows of must be given;
//! - the build must end, warn and leave the same bytes as one in an empty home and at another path;
//! - a check must end and warn as the build;
//! - a state that was built before in the same checkout must start nothing.
//!
//! `CACHED_EQUALS_CLEAN_STEPS` asks for more steps, `CACHED_EQUALS_CLEAN_SEED` for other sequences; a failure names its
//! seed and step. A long run, which nextest would take for a hang:
//!
//!     CACHED_EQUALS_CLEAN_STEPS=500 CACHED_EQUALS_CLEAN_SEED=7 cargo test -p vx --test cached_equals_clean
//!
//! Not in the model: a macro or script that computes a number from its own path (see `ARCHITECTURE.md`), and a user who
//! edits what a build script has written into the workspace, for whom Cargo has no rule.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;
#[path = "cached_equals_clean/observed.rs"]
mod observed;
#[path = "cached_equals_clean/project.rs"]
mod project;

use std::collections::{HashMap, HashSet};

use camino::Utf8PathBuf;
use harness::TestEnv;
use observed::{Left, Told};
use project::{Edits, Project};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

const STEPS: &str = "CACHED_EQUALS_CLEAN_STEPS";
const SEED: &str = "CACHED_EQUALS_CLEAN_SEED";

/// Enough to see most kinds of steps, few enough for every run of the tests.
const DEFAULT_STEPS: u64 = 15;

/// After so many steps, other facts change often.
const STEPS_OF_A_PHASE: u64 = 25;

#[test]
fn first_sequence() {
    check_sequence(number(SEED).unwrap_or(1));
}

#[test]
fn second_sequence() {
    check_sequence(number(SEED).map_or(2, |seed| seed.wrapping_add(1)));
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is not a number: {text}")),
    )
}

fn check_sequence(seed: u64) {
    eprintln!("{SEED}={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut subject = Subject::new();
    let mut edits = Edits::new(&mut random);
    subject.build(false, "the beginning");
    for step in 1..=number(STEPS).unwrap_or(DEFAULT_STEPS) {
        if step % STEPS_OF_A_PHASE == 0 {
            edits = Edits::new(&mut random);
        }
        let done = subject.step(&edits, &mut random);
        eprintln!("step {step}: {done}");
        let told = format!("{SEED}={seed}, step {step}: {done}");
        if random.random_range(0..5) == 0 {
            subject.check(&told);
        }
        subject.build(random.random_range(0..10) == 0, &told);
    }
    eprintln!("{} builds from nothing", subject.clean.len());
}

/// The workspace under test, in a home that lives as long as the sequence.
struct Subject {
    env: TestEnv,
    project: Project,
    /// Every state so far, the present one last.
    history: Vec<Project>,
    /// Checkouts of the workspace.
    checkouts: [Checkout; 2],
    /// Which of them is worked in.
    here: usize,
    /// What a build from nothing showed, by state.
    clean: HashMap<Project, (Told, Option<Left>)>,
}

/// A checkout.
struct Checkout {
    directory: Utf8PathBuf,
    /// The state that lies there.
    holds: Option<Project>,
    /// States that were built well there, and whose results are in the store.
    built: HashSet<Project>,
}

impl Subject {
    fn new() -> Self {
        let env = TestEnv::new();
        let project = Project::default();
        let checkouts = [env.project(), env.root().join("another/checkout")].map(|directory| Checkout {
            directory,
            holds: None,
            built: HashSet::new(),
        });
        let mut subject = Self {
            env,
            history: Vec::new(),
            checkouts,
            here: 0,
            project,
            clean: HashMap::new(),
        };
        subject.lay_down();
        subject
    }

    /// Does one thing at random, and tells what.
    fn step(&mut self, edits: &Edits, random: &mut StdRng) -> String {
        match random.random_range(0..100) {
            0..66 => {
                let edit = edits.next(random);
                edit.apply(&mut self.project, random);
                self.lay_down();
                format!("{edit:?}")
            }
            66..78 => {
                let back = random.random_range(0..self.history.len());
                self.project = self.history[back].clone();
                self.lay_down();
                format!("back to state {back}")
            }
            78..84 => {
                self.here = 1 - self.here;
                self.lay_down();
                format!("checkout {}", self.here)
            }
            84..88 => {
                self.env.vx(["kill"]).run().success();
                "a new daemon".to_owned()
            }
            88..90 => {
                self.env.vx(["clean"]).current_dir(&self.directory()).run().success();
                "outputs removed".to_owned()
            }
            90..94 => self.damage_an_output(random),
            94..96 => {
                Project::remove_written_in(&self.directory());
                "what the build script wrote removed".to_owned()
            }
            96..98 => self.lose_blobs(random),
            _ => {
                self.project.rewrite_in(&self.directory());
                "every file written again".to_owned()
            }
        }
    }

    fn directory(&self) -> Utf8PathBuf {
        self.checkouts[self.here].directory.clone()
    }

    fn lay_down(&mut self) {
        self.lay_down_in(self.here);
        self.history.push(self.project.clone());
    }

    fn lay_down_in(&mut self, checkout: usize) {
        let checkout = &mut self.checkouts[checkout];
        self.project.write_to(&checkout.directory, checkout.holds.as_ref());
        checkout.holds = Some(self.project.clone());
    }

    /// Harms one of the files that the last build left, where it left any.
    fn damage_an_output(&mut self, random: &mut StdRng) -> String {
        let artifacts = self.project.artifacts();
        let name = artifacts[random.random_range(0..artifacts.len())];
        let path = observed::outputs(&self.directory(), &self.project).join(name);
        let Ok(mut content) = std::fs::read(&path) else {
            return format!("no {name} to damage");
        };
        match random.random_range(0..3) {
            0 => std::fs::remove_file(path).unwrap(),
            1 => std::fs::write(path, "").unwrap(),
            _ => {
                let middle = content.len() / 2;
                content[middle] ^= 1;
                std::fs::write(path, content).unwrap();
            }
        }
        format!("{name} damaged")
    }

    /// Removes files of the store while nobody looks.
    fn lose_blobs(&mut self, random: &mut StdRng) -> String {
        self.env.vx(["kill"]).run().success();
        let blobs = self.env.home().join("cas/blobs");
        let mut files: Vec<_> = walkdir::WalkDir::new(blobs)
            .sort_by_file_name()
            .into_iter()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().is_file())
            .collect();
        let number = files.len().min(5);
        assert!(number > 0, "the store is elsewhere");
        for _ in 0..number {
            let lost = files.swap_remove(random.random_range(0..files.len()));
            std::fs::remove_file(lost.path()).unwrap();
        }
        for checkout in &mut self.checkouts {
            checkout.built.clear();
        }
        format!("{number} blobs lost")
    }

    /// What a build from nothing shows: in an empty home, at another path.
    fn clean(&mut self) -> (Told, Option<Left>) {
        let build = || {
            let env = TestEnv::new();
            self.project.write_to(&env.project(), None);
            observed::build(&env, &env.project(), &self.project)
        };
        self.clean.entry(self.project.clone()).or_insert_with(build).clone()
    }

    fn check(&mut self, told: &str) {
        let (clean, _) = self.clean();
        let seen = observed::check(&self.env, &self.directory(), &self.project);
        let project = &self.project;
        assert_eq!(
            seen, clean,
            "vx check against a build from nothing, {told}\n{project:#?}"
        );
    }

    /// Builds where the work is, or in all checkouts at the same time.
    fn build(&mut self, everywhere: bool, told: &str) {
        let checkouts = if everywhere {
            0..self.checkouts.len()
        } else {
            self.here..self.here + 1
        };
        checkouts.clone().for_each(|checkout| self.lay_down_in(checkout));
        let (env, project) = (&self.env, &self.project);
        let builds = std::thread::scope(|scope| {
            let build = |checkout: &Checkout| observed::build(env, &checkout.directory, project);
            let threads: Vec<_> = self.checkouts[checkouts.clone()]
                .iter()
                .map(|checkout| scope.spawn(move || build(checkout)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect::<Vec<_>>()
        });
        for (checkout, (seen, left)) in checkouts.zip(builds) {
            self.verify(
                checkout,
                &seen,
                left.as_ref(),
                &format!("{told}, in checkout {checkout}"),
            );
        }
    }

    fn verify(&mut self, checkout: usize, seen: &Told, left: Option<&Left>, told: &str) {
        let (clean_seen, clean_left) = self.clean();
        let project = &self.project;
        let programs = left.map(|left| left.programs.clone());
        let expected = project.expected();
        assert_eq!(programs, expected, "against the model, {told}\n{seen:#?}\n{project:#?}");
        for (text, is_given) in project.warnings().into_iter().filter(|_| left.is_some()) {
            let given = seen.diagnostics.iter().any(|diagnostic| diagnostic.contains(&text));
            assert_eq!(given, is_given, "{text:?}, {told}\n{seen:#?}\n{project:#?}");
        }
        let against = "against a build from nothing";
        assert_eq!(*seen, clean_seen, "{against}, {told}\n{project:#?}");
        let (Some(left), Some(clean_left)) = (left, clean_left) else {
            return;
        };
        if project.has_certain_bytes() {
            assert_eq!(left.artifacts, clean_left.artifacts, "{against}, {told}\n{project:#?}");
        }
        if !self.checkouts[checkout].built.insert(project.clone()) {
            let ran = left.counts.ran;
            assert_eq!(ran, 0, "a state that was built before, {told}\n{project:#?}");
        }
    }
}
