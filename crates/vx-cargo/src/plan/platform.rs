//! What rustc reports about a platform: its `cfg` and file names; and the user's flags and linker for it.

use std::str::FromStr as _;

use cargo_platform::{Cfg, CfgExpr};
use tokio::process::Command;
use vx_model::{Roots, Template};

use super::types::{FileName, Platform};
use crate::PlanError;
use crate::cargo::config::Config;
use crate::cargo::refusal::refusal;
use crate::cargo::tools::{self, Tools};

/// Crate types, in the order in which rustc is asked about them.
const CRATE_TYPES: [&str; 6] = ["bin", "rlib", "dylib", "cdylib", "staticlib", "proc-macro"];
/// The name of a crate whose file names show prefix and suffix. Printed alone, it separates two answers.
const MARK: &str = "___";

/// Flags decide `cfg`, and `cfg` decides which flags of the configuration apply. Like Cargo, this repeats only once.
const ROUNDS: usize = 2;

/// Asks rustc about platforms.
#[derive(Clone, Copy)]
pub(super) struct Platforms<'a> {
    pub(super) tools: Tools<'a>,
    pub(super) config: &'a Config,
    pub(super) roots: &'a Roots,
    pub(super) host: &'a str,
    /// Whether a platform was requested by name: then the user's flags are not for the host.
    pub(super) is_cross: bool,
}

impl Platforms<'_> {
    /// Everything about the platform `triple`; `None` is the host.
    pub(super) async fn ask(&self, triple: Option<&str>) -> Result<Platform, PlanError> {
        let mut flags = self.rustflags(triple, &[]);
        for round in 1.. {
            let answer = self.ask_rustc(triple, &flags).await?;
            let now = self.rustflags(triple, &answer.cfg);
            if now == flags || round == ROUNDS {
                return Ok(self.platform(triple, answer, &now));
            }
            flags = now;
        }
        unreachable!("the last round returns")
    }

    fn platform(&self, triple: Option<&str>, answer: Answer, flags: &[String]) -> Platform {
        let template = |text: &String| Template::from_text(text, self.roots);
        let linker = self.linker(triple.unwrap_or(self.host), &answer.cfg);
        let runner = self.runner(triple.unwrap_or(self.host), &answer.cfg);
        let rustdocflags = self.flags("RUSTDOCFLAGS", "rustdocflags", triple, &answer.cfg);
        Platform {
            triple: triple.map(str::to_owned),
            rustflags: flags.iter().map(template).collect(),
            rustdocflags: rustdocflags.iter().map(template).collect(),
            linker: linker.as_ref().map(template),
            runner: runner.iter().map(template).collect(),
            cfg: answer.cfg,
            file_names: answer.file_names,
            split_debuginfo: answer.split_debuginfo,
        }
    }

    async fn ask_rustc(&self, triple: Option<&str>, flags: &[String]) -> Result<Answer, PlanError> {
        let mut command = self.tools.rustc();
        for variable in self.config.variables()? {
            if variable.force || !self.config.is_in_environment(&variable.name) {
                command.env(variable.name, variable.value);
            }
        }
        command
            .args(["-", "--crate-name", MARK, "--print=file-names"])
            .args(flags)
            .env_remove("RUSTC_LOG");
        if let Some(triple) = triple {
            command.args(["--target", triple]);
        }
        for crate_type in CRATE_TYPES {
            command.args(["--crate-type", crate_type]);
        }
        // The name of the crate is printed as a mark between two answers.
        command.args([
            "--print=split-debuginfo",
            "--print=crate-name",
            "--print=cfg",
            "-Wwarnings",
        ]);
        answer(command).await
    }

    fn rustflags(&self, triple: Option<&str>, cfg: &[String]) -> Vec<String> {
        self.flags("RUSTFLAGS", "rustflags", triple, cfg)
    }

    /// Flags of one of two programs: from the environment, else for the platform, else general ones.
    fn flags(&self, variable: &str, key: &str, triple: Option<&str>, cfg: &[String]) -> Vec<String> {
        if triple.is_none() && self.is_cross {
            return Vec::new();
        }
        if let Some(flags) = self.config.environment_flags(variable) {
            return flags;
        }
        let mut flags = self
            .config
            .flags(&["target", triple.unwrap_or(self.host), key])
            .unwrap_or_default();
        for expression in self.matching(cfg) {
            flags.extend(self.config.flags(&["target", expression, key]).unwrap_or_default());
        }
        match flags.is_empty() {
            true => self.config.flags(&["build", key]).unwrap_or_default(),
            false => flags,
        }
    }

    fn linker(&self, triple: &str, cfg: &[String]) -> Option<String> {
        let of_triple = self.config.program(&["target", triple, "linker"]);
        let of_expression = || {
            let mut matching = self.matching(cfg).into_iter();
            matching.find_map(|expression| self.config.program(&["target", expression, "linker"]))
        };
        of_triple.or_else(of_expression)
    }

    fn runner(&self, triple: &str, cfg: &[String]) -> Vec<String> {
        let of_triple = self.config.command(&["target", triple, "runner"]);
        let of_expression = || {
            let mut matching = self.matching(cfg).into_iter();
            matching.find_map(|expression| self.config.command(&["target", expression, "runner"]))
        };
        of_triple.or_else(of_expression).unwrap_or_default()
    }

    /// The `target.'cfg(…)'` tables that apply.
    fn matching(&self, cfg: &[String]) -> Vec<&str> {
        let cfg: Vec<Cfg> = cfg.iter().filter_map(|cfg| Cfg::from_str(cfg).ok()).collect();
        let mut expressions = self.config.target_expressions();
        expressions.retain(|key| CfgExpr::matches_key(key, &cfg));
        expressions
    }
}

/// What rustc printed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    cfg: Vec<String>,
    file_names: Vec<FileName>,
    split_debuginfo: Vec<String>,
}

async fn answer(command: Command) -> Result<Answer, PlanError> {
    let shown = tools::shown(&command);
    let output = tools::output(command).await?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        // Cargo asks the same and fails with the same message.
        return Err(refusal(&output));
    }
    let stdout = String::from_utf8_lossy(&output.stdout);
    Answer::parse(&stdout, &stderr).ok_or(PlanError::Answer {
        command: shown,
        reason: stdout.into_owned(),
    })
}

impl Answer {
    /// `None` if the answer has another form.
    fn parse(stdout: &str, stderr: &str) -> Option<Self> {
        let mut lines = stdout.lines();
        let mut answer = Self::default();
        for crate_type in CRATE_TYPES
            .into_iter()
            .filter(|crate_type| is_supported(crate_type, stderr))
        {
            let (prefix, suffix) = lines.next()?.trim().split_once(MARK)?;
            answer.file_names.push(FileName {
                crate_type: crate_type.to_owned(),
                prefix: prefix.to_owned(),
                suffix: suffix.to_owned(),
            });
        }
        answer.split_debuginfo = lines
            .by_ref()
            .take_while(|line| *line != MARK)
            .map(str::to_owned)
            .collect();
        // A flag for crates of macros, which does not describe the platform.
        answer.cfg = lines.filter(|cfg| *cfg != "proc_macro").map(str::to_owned).collect();
        Some(answer)
    }
}

/// rustc warns about crate types that it leaves out.
fn is_supported(crate_type: &str, stderr: &str) -> bool {
    let name = format!("crate type `{crate_type}`");
    let refuses = |line: &str| line.contains("unsupported crate type") || line.contains("unknown crate type");
    !stderr.lines().any(|line| refuses(line) && line.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rustc_prints() {
        let stdout =
            "___\nlib___.rlib\nlib___.so\nlib___.a\noff\npacked\n___\ndebug_assertions\ntarget_os=\"linux\"\nunix\n";
        let stderr = "warning: dropping unsupported crate type `dylib` for target `x`\n\
                      warning: dropping unsupported crate type `proc-macro` for target `x`\n";
        let answer = Answer::parse(stdout, stderr).unwrap();
        let names: Vec<_> = answer
            .file_names
            .iter()
            .map(|name| (&*name.crate_type, &*name.prefix, &*name.suffix))
            .collect();
        let expected = [
            ("bin", "", ""),
            ("rlib", "lib", ".rlib"),
            ("cdylib", "lib", ".so"),
            ("staticlib", "lib", ".a"),
        ];
        assert_eq!(names, expected);
        assert_eq!(answer.split_debuginfo, ["off", "packed"]);
        assert_eq!(answer.cfg, ["debug_assertions", "target_os=\"linux\"", "unix"]);
        assert_eq!(Answer::parse("", stderr), None);
    }
}
