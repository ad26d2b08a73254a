//! The most important test: after any sequence of edits, what vx has built behaves as if built from nothing.
//!
//! A seeded generator edits a small workspace: sources, manifests, features, profiles, a build script and its inputs, a
//! macro and the file it reads, variables, new and removed files; it also undoes, restarts the daemon and removes outputs.
//! After each step the programs must print what the model of the workspace says, the build must end and warn as one
//! in an empty home does, and a state that was built before must start nothing.
//!
//! `CACHED_EQUALS_CLEAN_STEPS` and `CACHED_EQUALS_CLEAN_SEED` ask for more steps and for another sequence.

mod harness;
#[path = "cached_equals_clean/observed.rs"]
mod observed;
#[path = "cached_equals_clean/project.rs"]
mod project;

use std::collections::HashMap;

use harness::TestEnv;
use observed::Observed;
use project::{Edit, Project};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

const STEPS: &str = "CACHED_EQUALS_CLEAN_STEPS";
const SEED: &str = "CACHED_EQUALS_CLEAN_SEED";

/// Enough for each kind of edit to be likely, few enough for every run of the tests.
const DEFAULT_STEPS: u64 = 16;

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
    subject.check("the beginning");
    for step in 1..=number(STEPS).unwrap_or(DEFAULT_STEPS) {
        let told = subject.step(&mut random);
        eprintln!("step {step}: {told}");
        subject.check(&format!("{SEED}={seed}, step {step}: {told}"));
    }
}

/// The workspace under test, in a home that lives as long as the sequence.
struct Subject {
    env: TestEnv,
    project: Project,
    /// Every state so far, the present one last.
    history: Vec<Project>,
    /// What a build from nothing showed, by state.
    clean: HashMap<Project, Observed>,
    /// States that were built well in this home.
    built: Vec<Project>,
}

impl Subject {
    fn new() -> Self {
        let env = TestEnv::new();
        let project = Project::default();
        project.write_to(&env.project());
        Self {
            env,
            history: vec![project.clone()],
            project,
            clean: HashMap::new(),
            built: Vec::new(),
        }
    }

    /// Does one thing at random, and tells what.
    fn step(&mut self, random: &mut StdRng) -> String {
        match random.random_range(0..100) {
            0..70 => {
                let edit = Edit::any(random);
                edit.apply(&mut self.project, random);
                self.become_project();
                format!("{edit:?}")
            }
            70..85 => {
                let back = random.random_range(0..self.history.len());
                self.project = self.history[back].clone();
                self.become_project();
                format!("back to state {back}")
            }
            85..92 => {
                self.env.vx(["kill"]).run().success();
                "a new daemon".to_owned()
            }
            92..96 => {
                self.env.vx(["clean"]).run().success();
                "outputs removed".to_owned()
            }
            _ => {
                self.project.rewrite_in(&self.env.project());
                "every file written again".to_owned()
            }
        }
    }

    fn become_project(&mut self) {
        let last = self.history.last().expect("there is a first state");
        self.project.write_changes_to(&self.env.project(), last);
        self.history.push(self.project.clone());
    }

    fn check(&mut self, told: &str) {
        let (seen, counts) = observed::build(&self.env, &self.project);
        let clean = self.clean.entry(self.project.clone()).or_insert_with(|| {
            let env = TestEnv::new();
            self.project.write_to(&env.project());
            observed::build(&env, &self.project).0
        });
        assert_eq!(
            seen.programs,
            self.project.expected(),
            "against the model, {told}\n{:#?}",
            self.project
        );
        assert_eq!(
            seen, *clean,
            "against a build from nothing, {told}\n{:#?}",
            self.project
        );
        if let Some(counts) = counts {
            if self.built.contains(&self.project) {
                assert_eq!(
                    counts.ran, 0,
                    "a state that was built before, {told}\n{:#?}",
                    self.project
                );
            }
            self.built.push(self.project.clone());
        }
    }
}
