//! Parses the lines that a build script printed: `cargo::KEY=VALUE`, and the older `cargo:KEY=VALUE`.

use camino::Utf8Path;
use vx_model::{Root, RootedPath, Roots, Template};

use super::{LIBRARY_KINDS, LibraryLocation, LibraryPath, LinkArgTarget, ScriptOutput};
use crate::plan::Package;

/// Keys of the older syntax; in it, any other key is metadata.
const OLD_KEYS: &[&str] = &[
    "rustc-flags",
    "rustc-link-lib",
    "rustc-link-search",
    "rustc-link-arg-cdylib",
    "rustc-cdylib-link-arg",
    "rustc-link-arg-bins",
    "rustc-link-arg-bin",
    "rustc-link-arg-tests",
    "rustc-link-arg-benches",
    "rustc-link-arg-examples",
    "rustc-link-arg",
    "rustc-cfg",
    "rustc-check-cfg",
    "rustc-env",
    "warning",
    "rerun-if-changed",
    "rerun-if-env-changed",
];

/// The first release that supports `cargo::`.
const NEW_SYNTAX: (u64, u64) = (1, 77);

/// A build script printed something invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// A line that Cargo does not accept.
    #[error("invalid output in the build script of `{package}`: `{line}`: {reason}")]
    Invalid {
        /// Name and version.
        package: String,
        /// The line.
        line: String,
        /// Why.
        reason: String,
    },
    /// `cargo::error`.
    #[error("the build script of `{package}` reported errors: {}", errors.join("; "))]
    Reported {
        /// Name and version.
        package: String,
        /// What it said.
        errors: Vec<String>,
    },
}

/// The warnings in the output of a failed build script.
pub fn script_warnings(stdout: &[u8]) -> impl Iterator<Item = &str> {
    let lines = stdout.split(|byte| *byte == b'\n');
    lines.filter_map(|line| {
        let line = std::str::from_utf8(line).ok()?.trim();
        ["cargo::warning=", "cargo:warning="]
            .iter()
            .find_map(|directive| line.strip_prefix(directive))
    })
}

/// Reads what the build script of `package` printed. `bootstrap` is the user's `RUSTC_BOOTSTRAP`.
pub(crate) fn read(
    package: &Package,
    stdout: &[u8],
    out_dir: RootedPath,
    roots: &Roots,
    is_nightly: bool,
    bootstrap: Option<&str>,
) -> Result<ScriptOutput, ScriptError> {
    let mut reader = Reader {
        package,
        roots,
        is_nightly,
        bootstrap,
        output: ScriptOutput::new(out_dir),
        errors: Vec::new(),
    };
    for line in stdout.split(|byte| *byte == b'\n') {
        // A script may print anything; a line that is not text is not a directive.
        if let Ok(line) = std::str::from_utf8(line) {
            let line = line.trim();
            reader.line(line).map_err(|reason| ScriptError::Invalid {
                package: description(package),
                line: line.to_owned(),
                reason,
            })?;
        }
    }
    match reader.errors.is_empty() {
        true => Ok(reader.output),
        false => Err(ScriptError::Reported {
            package: description(package),
            errors: reader.errors,
        }),
    }
}

fn description(package: &Package) -> String {
    format!("{} v{}", package.name, package.version)
}

struct Reader<'a> {
    package: &'a Package,
    roots: &'a Roots,
    is_nightly: bool,
    bootstrap: Option<&'a str>,
    output: ScriptOutput,
    errors: Vec<String>,
}

/// Why a line is not acceptable.
type Reason = String;

impl Reader<'_> {
    fn line(&mut self, line: &str) -> Result<(), Reason> {
        if let Some(directive) = line.strip_prefix("cargo::") {
            self.check_syntax_is_known()?;
            let (key, value) = key_and_value(directive, "cargo::KEY=VALUE")?;
            return self.directive(key, value);
        }
        let Some(directive) = line.strip_prefix("cargo:") else {
            return Ok(());
        };
        match directive.split_once('=') {
            Some((key, value)) if OLD_KEYS.contains(&key) => self.directive(key, value.trim_end()),
            _ => self.metadata(directive, "cargo:KEY=VALUE"),
        }
    }

    /// A package that supports an older Cargo must not use the newer syntax.
    fn check_syntax_is_known(&self) -> Result<(), Reason> {
        let Some(rust_version) = &self.package.rust_version else {
            return Ok(());
        };
        let mut numbers = rust_version
            .split(['.', '-', '+'])
            .map_while(|number| number.parse::<u64>().ok());
        let claimed = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(u64::MAX));
        if claimed < NEW_SYNTAX {
            return Err(format!(
                "the `cargo::` syntax was added in Rust 1.77.0, but the minimum supported Rust version of the package is {rust_version}"
            ));
        }
        Ok(())
    }

    fn directive(&mut self, key: &str, value: &str) -> Result<(), Reason> {
        let template = self.template(value);
        match key {
            "rustc-flags" => self.flags(value)?,
            "rustc-link-lib" => self.output.library_links.push(template),
            "rustc-link-search" => self.library_path(value),
            "rustc-link-arg" => self.link_arg(LinkArgTarget::All, template),
            "rustc-link-arg-cdylib" | "rustc-cdylib-link-arg" => self.cdylib_link_arg(key, template),
            "rustc-link-arg-bins" => self.link_arg_of("bin", LinkArgTarget::Bins, template)?,
            "rustc-link-arg-bin" => self.single_bin_link_arg(value)?,
            "rustc-link-arg-tests" => self.link_arg_of("test", LinkArgTarget::Tests, template)?,
            "rustc-link-arg-benches" => self.link_arg_of("bench", LinkArgTarget::Benches, template)?,
            "rustc-link-arg-examples" => self.link_arg_of("example", LinkArgTarget::Examples, template)?,
            "rustc-cfg" => self.output.cfgs.push(template),
            "rustc-check-cfg" => self.output.check_cfgs.push(template),
            "rustc-env" => self.env(value)?,
            "warning" => self.output.warnings.push(value.to_owned()),
            "error" => self.errors.push(value.to_owned()),
            "rerun-if-changed" => self.output.rerun_if_changed.push(template),
            "rerun-if-env-changed" => self.output.rerun_if_env_changed.push(value.to_owned()),
            "metadata" => self.metadata(value, "cargo::metadata=KEY=VALUE")?,
            _ => return Err(format!("unknown key `{key}`")),
        }
        Ok(())
    }

    fn template(&self, text: &str) -> Template {
        Template::from_text(text, self.roots)
    }

    fn metadata(&mut self, text: &str, form: &str) -> Result<(), Reason> {
        let (key, value) = key_and_value(text, form)?;
        let value = self.template(value);
        self.output.metadata.push((key.to_owned(), value));
        Ok(())
    }

    /// `rustc-flags`: `-l` and `-L`, with or without a space before the value.
    fn flags(&mut self, value: &str) -> Result<(), Reason> {
        let mut words = value.split_whitespace();
        while let Some(word) = words.next() {
            let (flag, joined) = match word.get(..2) {
                Some(flag @ ("-l" | "-L")) => (flag, &word[2..]),
                _ => return Err("only `-l` and `-L` flags are allowed in `rustc-flags`".to_owned()),
            };
            let value = match joined {
                "" => words.next().ok_or_else(|| format!("the flag `{flag}` has no value"))?,
                joined => joined,
            };
            match flag {
                "-l" => {
                    let link = self.template(value);
                    self.output.library_links.push(link);
                }
                _ => self.library_path(value),
            }
        }
        Ok(())
    }

    fn library_path(&mut self, value: &str) {
        let path = match value.split_once('=') {
            Some((kind, path)) if LIBRARY_KINDS.contains(&kind) => path,
            _ => value,
        };
        let location = self.library_location(path);
        let value = self.template(value);
        self.output.library_paths.push(LibraryPath { value, location });
    }

    fn library_location(&self, path: &str) -> LibraryLocation {
        let found = self.roots.locate(path);
        let is_below = |directory: &str| Utf8Path::new(&found.path).starts_with(directory);
        match found.root {
            Root::Script if is_below(&self.output.out_dir.path) => LibraryLocation::OutDir,
            Root::Script => LibraryLocation::Build,
            Root::VxHome if is_below("out") => LibraryLocation::Build,
            _ => LibraryLocation::Elsewhere,
        }
    }

    fn link_arg(&mut self, target: LinkArgTarget, arg: Template) {
        self.output.link_args.push((target, arg));
    }

    /// A link argument for targets of a kind that the package must have.
    fn link_arg_of(&mut self, kind: &str, target: LinkArgTarget, arg: Template) -> Result<(), Reason> {
        if !self.has_target(kind, None) {
            return Err(format!("the package has no target of kind `{kind}`"));
        }
        self.link_arg(target, arg);
        Ok(())
    }

    fn single_bin_link_arg(&mut self, value: &str) -> Result<(), Reason> {
        let (name, arg) = key_and_value(value, "cargo::rustc-link-arg-bin=BIN=ARG")?;
        if !self.has_target("bin", Some(name)) {
            return Err(format!("the package has no bin target `{name}`"));
        }
        let arg = self.template(arg);
        self.link_arg(LinkArgTarget::Bin(name.to_owned()), arg);
        Ok(())
    }

    /// For compatibility, Cargo still passes these on to dependents.
    fn cdylib_link_arg(&mut self, key: &str, arg: Template) {
        if !self.has_target("cdylib", None) {
            self.output.warnings.push(format!(
                "cargo:{key} was specified in the build script of {}, but that package does not contain a cdylib target\n\n\
                 Allowing this was an unintended change in the 1.50 release, and may become an error in the future. \
                 For more information, see <https://github.com/rust-lang/cargo/issues/9562>.",
                description(self.package)
            ));
        }
        self.link_arg(LinkArgTarget::Cdylib, arg);
    }

    fn has_target(&self, kind: &str, name: Option<&str>) -> bool {
        let is_it = |target: &crate::plan::TargetName| {
            target.kind.iter().any(|known| known == kind) && name.is_none_or(|name| name == target.name)
        };
        self.package.targets.iter().any(is_it)
    }

    fn env(&mut self, value: &str) -> Result<(), Reason> {
        let (name, value) = value.split_once('=').ok_or("the variable has no value")?;
        if name == "RUSTC_BOOTSTRAP" {
            return self.bootstrap(value);
        }
        let value = self.template(value);
        self.output.env.push((name.to_owned(), value));
        Ok(())
    }

    /// A crate must not disable the stability guarantees of the user's project by itself.
    fn bootstrap(&mut self, value: &str) -> Result<(), Reason> {
        let library = self.package.library().map(|target| target.name.replace('-', "_"));
        let allowed = self.bootstrap.unwrap_or_default();
        let is_allowed = library
            .as_ref()
            .is_some_and(|library| allowed.split(',').any(|name| name == library));
        let message = format!(
            "cannot set `RUSTC_BOOTSTRAP={value}` from the build script of `{}`.\n\
             note: crates cannot set `RUSTC_BOOTSTRAP` themselves, as doing so would subvert the stability guarantees of Rust \
             for your project.",
            description(self.package)
        );
        if self.is_nightly || is_allowed {
            self.output.warnings.push(message);
            return Ok(());
        }
        let library = library.as_deref().unwrap_or("1");
        Err(format!(
            "{message}\nhelp: If you're sure you want to do this in your project, set the environment variable \
             `RUSTC_BOOTSTRAP={library}` instead."
        ))
    }
}

fn key_and_value<'a>(text: &'a str, form: &str) -> Result<(&'a str, &'a str), Reason> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| format!("expected a line of the form `{form}`"))?;
    Ok((key, value.trim_end()))
}
