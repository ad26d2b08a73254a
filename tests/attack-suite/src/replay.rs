//! The steps of an attack, built in one mode: what was seen after each.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt as _;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use camino::Utf8PathBuf;

use crate::fixture::{Attack, Step};
use crate::mode::Mode;
use crate::process::{self, Process};
use crate::project;
use crate::world::{World, remove};

/// What takes longer hangs.
const TIMEOUT: Duration = Duration::from_secs(150);

/// How often is looked for a process at its gate.
const TICK: Duration = Duration::from_millis(10);

/// The directory of the project, unless a step says otherwise.
const PROJECT: &str = "work";

/// The program that is run, unless a step says otherwise.
const PROGRAM: &str = "app";

/// What was seen after a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Whether the build succeeded.
    pub(crate) is_built: bool,
    /// What the program and the step's `look` printed.
    pub(crate) said: String,
}

/// What was seen in one mode.
#[derive(Debug)]
pub(crate) struct Replay {
    /// After each step.
    pub(crate) seen: Vec<Seen>,
    /// What the builders printed in each step, to be shown with a failure.
    pub(crate) logs: Vec<String>,
    /// Processes that were left when the services had been stopped.
    pub(crate) left: Vec<String>,
}

/// Does all steps in an empty world.
pub(crate) fn replay(attack: &Attack, world: &mut World, mode: Mode) -> Result<Replay> {
    world.reset()?;
    let mut stage = Stage {
        attack,
        mode,
        directory: world.root().join(PROJECT),
        log: world.root().join("build.log"),
        world,
    };
    stage.lay_down()?;
    let (mut seen, mut logs) = (Vec::new(), Vec::new());
    for (number, step) in attack.steps.iter().enumerate() {
        let at = || format!("step {}, {}", number + 1, mode.name());
        seen.push(stage.step(number, step).with_context(at)?);
        logs.push(stage.printed()?);
    }
    world.stop()?;
    let left = world.end();
    Ok(Replay { seen, logs, left })
}

/// Where a replay stands.
struct Stage<'a> {
    attack: &'a Attack,
    world: &'a mut World,
    mode: Mode,
    directory: Utf8PathBuf,
    log: Utf8PathBuf,
}

impl Stage<'_> {
    fn step(&mut self, number: usize, step: &Step) -> Result<Seen> {
        self.set_variables(step);
        if let Some(at) = &step.at {
            self.directory = self.world.root().join(at);
        }
        if !self.directory.exists() {
            self.lay_down()?;
        }
        if let Some(change) = &step.change {
            self.shell(change)?;
        }
        if number > 0 && self.mode == Mode::Restarted {
            self.world.stop()?;
        }
        if self.mode == Mode::Clean {
            self.world.stop()?;
            remove(&self.world.vx_home())?;
            remove(&self.directory.join(".vx"))?;
        }
        remove(&self.target())?;
        let is_built = self.build(step)?;
        if self.mode == Mode::Cargo {
            ensure!(
                is_built != step.fails,
                "cargo's build ends otherwise:\n{}",
                tail(&self.printed()?)
            );
        }
        Ok(Seen {
            is_built,
            said: self.said(step, is_built)?,
        })
    }

    fn set_variables(&mut self, step: &Step) {
        for (name, value) in &step.env {
            let value = self.world.expand(value);
            self.world.set(name, Some(value.into()));
        }
        for (name, value) in &step.env_bytes {
            self.world.set(name, Some(OsString::from_vec(value.clone())));
        }
        for name in &step.unset {
            self.world.set(name, None);
        }
    }

    fn lay_down(&self) -> Result<()> {
        for (path, text) in project::files(self.attack) {
            // `../lib` lies beside the project, where nothing is yet that it could go through.
            let path = self.directory.join(path);
            let directory = path.parent().context("a file has a directory")?;
            fs::create_dir_all(&self.directory)?;
            fs::create_dir_all(directory).with_context(|| format!("cannot make {directory}"))?;
            fs::write(&path, self.world.expand(&text)).with_context(|| format!("cannot write {path}"))?;
        }
        Ok(())
    }

    /// Runs a script of the step in the directory of the project; it must succeed. Gives what it printed.
    fn shell(&self, script: &str) -> Result<String> {
        let mut shell = self.world.command("sh", &self.directory);
        shell.args(["-euc", &self.world.expand(script)]);
        // Whatever an attack makes of `PATH`, its own steps need the usual programs.
        shell.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        shell
            .env("ROOT", self.world.root())
            .env("TOKEN", self.world.expand("@TOKEN@"));
        shell.env("VX_HOME", self.world.vx_home()).env("LOG", &self.log);
        shell.env("BUILT", self.built("debug"));
        process::mark(&mut shell);
        let output = shell.output().context("cannot start a shell")?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!(
                "a script of the step: {}\n{script}\n{}",
                output.status,
                errors.trim_end()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// What the builder printed.
    fn printed(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }

    /// Cargo's target directory.
    fn target(&self) -> Utf8PathBuf {
        self.world.root().join("target")
    }

    /// Where final artifacts lie.
    fn built(&self, profile: &str) -> Utf8PathBuf {
        match self.mode {
            Mode::Cargo => self.target().join(profile),
            _ => self.directory.join(".vx/build").join(profile),
        }
    }

    fn build(&self, step: &Step) -> Result<bool> {
        let mut command = match self.mode {
            Mode::Cargo => {
                let mut cargo = self.world.command("cargo", &self.directory);
                cargo.arg(&step.command).arg("--target-dir").arg(self.target());
                cargo
            }
            _ => {
                let mut vx = self.world.vx(&self.directory);
                vx.arg(&step.command);
                vx
            }
        };
        let log = File::create(&self.log)?;
        command.args(&step.args).stdout(log.try_clone()?).stderr(log);
        let mut change = step.during.as_deref();
        let status = self.run(&mut command, &mut change)?;
        if let Some(change) = change {
            // No process ran, so the next step would otherwise begin elsewhere.
            ensure!(
                !matches!(self.mode, Mode::Cargo | Mode::Clean),
                "no process came to its gate:\n{}",
                tail(&self.printed()?)
            );
            self.shell(change)?;
        }
        Ok(status.success())
    }

    /// Runs to the end, and opens the gates at which processes hold. The first stays closed until `change` is done.
    fn run(&self, command: &mut Command, change: &mut Option<&str>) -> Result<ExitStatus> {
        let mut child = command.spawn().context("cannot start a builder or a program")?;
        let process = Process::of(child.id()).context("cannot watch a process")?;
        let begun = Instant::now();
        let has_gate = self.attack.has_gate();
        while !process.ends_within(if has_gate { TICK } else { TIMEOUT }) {
            if begun.elapsed() >= TIMEOUT {
                process.kill();
                child.wait()?;
                bail!("not done after {} s:\n{}", TIMEOUT.as_secs(), tail(&self.printed()?));
            }
            for held in process::with_command(&self.world.gate()) {
                if let Some(change) = change.take() {
                    self.shell(change)?;
                }
                held.kill();
                held.ends_within(TIMEOUT);
            }
        }
        Ok(child.wait()?)
    }

    fn said(&self, step: &Step, is_built: bool) -> Result<String> {
        let mut said = Vec::new();
        let program = step
            .run
            .as_deref()
            .unwrap_or(if step.command == "build" { PROGRAM } else { "" });
        if is_built && !program.is_empty() {
            said.push(self.run_program(step, program)?);
        }
        if let Some(look) = &step.look {
            said.push(self.shell(look)?);
        }
        Ok(said.join("\n").trim_end().to_owned())
    }

    fn run_program(&self, step: &Step, program: &str) -> Result<String> {
        let profile = if step.args.iter().any(|word| word == "--release") {
            "release"
        } else {
            "debug"
        };
        let path = self.built(profile).join(program);
        if self.mode != Mode::Cargo && !path.exists() {
            return Ok(format!("there is no {program}"));
        }
        let printed = self.world.root().join("printed");
        let file = File::create(&printed)?;
        let mut command = self.world.command(path, &self.directory);
        command.stdout(file.try_clone()?).stderr(file);
        let status = self.run(&mut command, &mut None)?;
        let said = String::from_utf8_lossy(&fs::read(&printed)?).trim_end().to_owned();
        Ok(if status.success() {
            said
        } else {
            format!("{said}\n{status}")
        })
    }
}

impl Attack {
    fn has_gate(&self) -> bool {
        let uses = |text: &str| text.contains("gate()") || text.contains("3600.@TOKEN@");
        self.value.iter().any(|(value, _)| uses(value)) || self.files.values().any(|text| uses(text))
    }
}

/// The last lines of what a builder printed.
pub(crate) fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let start = lines.len().saturating_sub(12);
    let shown = lines[start..].iter().map(|line| {
        let line: String = line.chars().take(300).collect();
        format!("    {}", line.escape_debug())
    });
    shown.collect::<Vec<_>>().join("\n")
}
