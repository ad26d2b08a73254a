//! rustc's arguments, in Cargo's order: if a flag is given twice, the later one wins.

use std::sync::Arc;

use vx_home::WorkspaceLayout;
use vx_model::{Root, RootedPath, Template};

use super::{DEPENDENCIES, OUT, Scripts};
use crate::graph::LinkedScripts;
use crate::plan::{Package, PlannedUnit, Platform, Unit, UnitIndex};
use crate::script_output::{LibraryLocation, LinkArgTarget, ScriptOutput};
use crate::settings::{Debuginfo, Driver, Lto, Profile, StripLevel};

/// The messages that Cargo asks for.
const JSON: &str = "--json=diagnostic-rendered-ansi,artifacts,future-incompat";

/// The command line of one unit, while it is built.
pub(crate) struct Arguments<'a> {
    planned: PlannedUnit<'a>,
    unit: &'a Unit,
    package: &'a Package,
    platform: &'a Platform,
    scripts: &'a Scripts<'a>,
    /// The directory of the crates that it is compiled against.
    dependencies: RootedPath,
    arguments: Vec<Template>,
}

impl<'a> Arguments<'a> {
    /// rustc itself.
    pub(super) fn new(planned: PlannedUnit<'a>, scripts: &'a Scripts<'a>) -> Self {
        let dependencies = RootedPath::new(Root::Exec, DEPENDENCIES);
        let toolchain = &planned.plan.toolchain;
        let mut new = Self::with(planned, scripts, toolchain.rustc.clone(), dependencies);
        if planned.unit.settings.driver == Driver::Clippy {
            // As Cargo starts a wrapper.
            new.arguments.insert(0, toolchain.clippy.clone().into());
        }
        new
    }

    /// rustdoc itself.
    pub(crate) fn of_documentation(planned: PlannedUnit<'a>, scripts: &'a Scripts<'a>) -> Self {
        let dependencies = planned.dependency_directory();
        Self::with(planned, scripts, planned.plan.toolchain.rustdoc.clone(), dependencies)
    }

    fn with(planned: PlannedUnit<'a>, scripts: &'a Scripts<'a>, program: RootedPath, dependencies: RootedPath) -> Self {
        Self {
            planned,
            unit: planned.unit,
            package: planned.package,
            platform: planned.platform(),
            scripts,
            dependencies,
            arguments: vec![program.into()],
        }
    }

    /// rustdoc, which finds dependencies as rustc does.
    pub(super) fn of_rustdoc(planned: PlannedUnit<'a>, scripts: &'a Scripts<'a>) -> Self {
        let dependencies = RootedPath::new(Root::Exec, DEPENDENCIES);
        Self::with(planned, scripts, planned.plan.toolchain.rustdoc.clone(), dependencies)
    }

    /// rustc's arguments.
    pub(super) fn all(mut self, linked: &LinkedScripts) -> Vec<Template> {
        self.source();
        self.outputs();
        self.profile();
        self.checks();
        self.tests();
        self.names();
        self.linking();
        self.dependencies();
        self.lint_cap();
        self.extra_args();
        let remaps = super::remap::arguments(self.planned);
        self.arguments.extend(remaps);
        self.arguments.extend(self.platform.rustflags.iter().cloned());
        self.native_libraries(linked);
        self.script_flags();
        self.arguments
    }

    /// rustdoc's arguments for the documentation of a crate.
    pub(super) fn documentation(mut self) -> Vec<Template> {
        self.push(format!("--edition={}", self.unit.target.edition));
        self.crate_types();
        self.push("--crate-name");
        self.push(self.unit.crate_name());
        self.source_file();
        self.lint_cap();
        self.triple();
        self.push("-o");
        self.push(self.platform.documentation_directory());
        self.features();
        self.push("--error-format=json");
        self.push(JSON);
        self.lints();
        self.codegen(format!("metadata={}", self.unit.identity));
        self.dependencies();
        self.extra_args();
        let flags = self.platform.rustdocflags.iter().cloned();
        self.arguments.extend(flags);
        self.push("--crate-version");
        self.push(self.package.version.as_str());
        self.script_flags();
        self.arguments
    }

    /// The user's extra args for this unit alone.
    fn extra_args(&mut self) {
        let settings = &self.unit.settings;
        if settings.driver == Driver::Rustc {
            self.arguments
                .extend(settings.extra_args.iter().map(|word| Template::from(word.as_str())));
        }
    }

    fn push(&mut self, argument: impl Into<Template>) {
        self.arguments.push(argument.into());
    }

    fn codegen(&mut self, option: impl Into<Template>) {
        self.push("-C");
        self.push(option);
    }

    fn profile_of(&self) -> &'a Profile {
        &self.unit.settings.profile
    }

    /// rustdoc's arguments for a run of the examples in a library's documentation.
    pub(crate) fn documentation_tests(mut self, linked: &LinkedScripts) -> Vec<Template> {
        self.push(format!("--edition={}", self.unit.target.edition));
        self.crate_types();
        self.push("--crate-name");
        self.push(self.unit.crate_name());
        self.push("--test");
        self.source_file();
        self.push("--test-run-directory");
        self.push(self.package.root.clone());
        self.target();
        self.runner();
        if self.profile_of().panic != "unwind" {
            self.codegen(format!("panic={}", self.profile_of().panic));
        }
        self.library_directories(linked);
        self.dependencies();
        self.lto();
        self.features();
        self.script_flags();
        let flags = self.platform.rustdocflags.iter().cloned();
        self.arguments.extend(flags);
        self.push("--error-format");
        self.push("human");
        self.arguments
    }

    /// How rustdoc runs the examples that it has compiled.
    fn runner(&mut self) {
        if let Some((program, arguments)) = self.platform.runner.split_first() {
            self.push("--test-runtool");
            self.push(program.clone());
            for argument in arguments {
                self.push("--test-runtool-arg");
                self.push(argument.clone());
            }
        }
    }

    fn source(&mut self) {
        self.push("--crate-name");
        self.push(self.unit.crate_name());
        self.push(format!("--edition={}", self.unit.target.edition));
        self.source_file();
        self.push("--error-format=json");
        self.push(JSON);
    }

    fn source_file(&mut self) {
        let source = self.unit.target.source.clone();
        match self.planned.is_in_workspace() {
            true => self.push(source.path),
            false => self.push(source),
        }
    }

    fn outputs(&mut self) {
        // A test program is a program, whatever the target.
        if !self.unit.is_test() {
            self.crate_types();
        }
        match self.unit.needs_code() {
            _ if self.unit.is_check() => self.push("--emit=dep-info,metadata"),
            true => self.push("--emit=dep-info,link"),
            false => self.push("--emit=dep-info,metadata,link"),
        }
    }

    fn crate_types(&mut self) {
        for crate_type in &self.unit.target.crate_types {
            self.push("--crate-type");
            self.push(crate_type.as_str());
        }
    }

    fn profile(&mut self) {
        let profile = self.profile_of();
        if self.prefers_dynamic() {
            self.codegen("prefer-dynamic");
        }
        if profile.opt_level != "0" {
            self.codegen(format!("opt-level={}", profile.opt_level));
        }
        if profile.panic != "unwind" {
            self.codegen(format!("panic={}", profile.panic));
        }
        if profile.panic == "immediate-abort" {
            self.push("-Z");
            self.push("unstable-options");
        }
        self.lto();
        if let Some(backend) = &profile.codegen_backend {
            self.push("-Z");
            self.push(format!("codegen-backend={backend}"));
        }
        if let Some(units) = profile.codegen_units {
            self.codegen(format!("codegen-units={units}"));
        }
        self.debuginfo();
    }

    /// Macros are loaded by a compiler that already has the standard library; a dynamic library of a dependency shares
    /// it.
    fn prefers_dynamic(&self) -> bool {
        self.unit.is("proc-macro") || (self.unit.makes("dylib") && !self.planned.is_primary())
    }

    fn lto(&mut self) {
        match &self.unit.settings.lto {
            Lto::Run(None) => self.codegen("lto"),
            Lto::Run(Some(name)) => self.codegen(format!("lto={name}")),
            Lto::Off => {
                self.codegen("lto=off");
                self.codegen("embed-bitcode=no");
            }
            Lto::OnlyBitcode => self.codegen("linker-plugin-lto"),
            Lto::OnlyObject => self.codegen("embed-bitcode=no"),
            Lto::ObjectAndBitcode => {}
        }
    }

    fn debuginfo(&mut self) {
        let profile = self.profile_of();
        if !profile.debuginfo.is_on() {
            return;
        }
        match &profile.debuginfo {
            Debuginfo::Level(level) => self.codegen(format!("debuginfo={level}")),
            Debuginfo::Name(name) => self.codegen(format!("debuginfo={name}")),
        }
        if let Some(split) = &profile.split_debuginfo
            && self.platform.split_debuginfo.contains(split)
        {
            self.codegen(format!("split-debuginfo={split}"));
        }
    }

    /// Lints, and what the compiled program checks at run time.
    fn checks(&mut self) {
        let profile = self.profile_of();
        self.lints();
        self.arguments
            .extend(profile.rustflags.iter().map(|flag| Template::from(flag.as_str())));
        // rustc's default follows from the optimization level, and overflow checks follow debug assertions.
        if profile.debug_assertions != (profile.opt_level == "0") {
            let switch = if profile.debug_assertions { "on" } else { "off" };
            self.codegen(format!("debug-assertions={switch}"));
        }
        if profile.overflow_checks != profile.debug_assertions {
            let switch = if profile.overflow_checks { "on" } else { "off" };
            self.codegen(format!("overflow-checks={switch}"));
        }
    }

    fn lints(&mut self) {
        let lints = match self.caps_lints() && omits_capped_lints(&self.planned.plan.toolchain.release) {
            true => &[][..],
            false => &self.package.lint_flags,
        };
        self.arguments
            .extend(lints.iter().map(|flag| Template::from(flag.as_str())));
    }

    fn tests(&mut self) {
        match (self.unit.is_test(), self.unit.target.harness) {
            (true, true) => self.push("--test"),
            (true, false) => {
                self.push("--cfg");
                self.push("test");
            }
            (false, _) => {}
        }
    }

    fn names(&mut self) {
        self.features();
        self.codegen(format!("metadata={}", self.unit.identity));
        if !self.planned.output_names().are_plain() {
            self.codegen(format!("extra-filename=-{}", self.unit.identity));
        }
    }

    fn features(&mut self) {
        for feature in &self.unit.features {
            self.push("--cfg");
            self.push(format!("feature=\"{feature}\""));
        }
        let declared = self
            .package
            .declared_features
            .iter()
            .map(|feature| format!("\"{feature}\""));
        let declared = declared.collect::<Vec<_>>().join(", ");
        for expected in [
            "cfg(docsrs,test)".to_owned(),
            format!("cfg(feature, values({declared}))"),
        ] {
            self.push("--check-cfg");
            self.push(expected);
        }
    }

    fn linking(&mut self) {
        if self.profile_of().rpath {
            self.codegen("rpath");
        }
        self.push("--out-dir");
        self.push(RootedPath::new(Root::Exec, OUT));
        self.target();
        if self.profile_of().incremental {
            let directory = RootedPath::new(Root::Workspace, WorkspaceLayout::relative().incremental())
                .join(&self.planned.plan.profile_directory);
            self.codegen(Template::from("incremental=").path(directory));
        }
        if let StripLevel::Named(level) = self.profile_of().strip.level() {
            self.codegen(format!("strip={level}"));
        }
    }

    /// The platform, and the user's linker for it.
    fn target(&mut self) {
        self.triple();
        if let Some(linker) = &self.platform.linker {
            self.codegen(Template::from("linker=").then(linker.clone()));
        }
    }

    fn triple(&mut self) {
        if let Some(triple) = &self.unit.platform {
            self.push("--target");
            self.push(triple.as_str());
        }
    }

    fn dependencies(&mut self) {
        // Dependencies of the host and of the target are in one directory; their names differ.
        self.push("-L");
        self.push(Template::from("dependency=").path(self.dependencies.clone()));
        for dependency in &self.unit.dependencies {
            let other = self.planned.plan.unit(dependency.unit);
            if !other.unit.is_linkable() {
                continue;
            }
            let name = match dependency.noprelude {
                true => format!("noprelude:{}=", dependency.extern_name),
                false => format!("{}=", dependency.extern_name),
            };
            for file in other.output_names().linkable(!self.unit.needs_code()) {
                self.push("--extern");
                self.push(Template::from(name.as_str()).path(self.dependencies.join(&file)));
            }
        }
        if self.unit.is("proc-macro") {
            self.push("--extern");
            self.push("proc_macro");
        }
        if self.unit.dependencies.iter().any(|dependency| dependency.noprelude) {
            self.push("-Z");
            self.push("unstable-options");
        }
    }

    /// The user cannot fix warnings in packages from elsewhere.
    fn lint_cap(&mut self) {
        if self.caps_lints() {
            self.push("--cap-lints");
            self.push("allow");
        }
    }

    fn caps_lints(&self) -> bool {
        !self.package.source.is_path()
    }

    /// What build scripts said about libraries.
    fn native_libraries(&mut self, linked: &LinkedScripts) {
        let outputs = self.library_directories(linked);
        // A program finds the libraries of its package in the package's library.
        let is_linked_here = self.unit.is_library() || !self.package.has_library();
        for (script, output) in &outputs {
            let is_own = self.planned.plan.units[*script].package == self.unit.package;
            if is_own && is_linked_here {
                for library in &output.library_links {
                    self.push("-l");
                    self.push(library.clone());
                }
            }
            for (target, argument) in &output.link_args {
                let may_apply = is_own || *target == LinkArgTarget::Cdylib;
                if may_apply && target.applies_to(self.unit) {
                    self.codegen(Template::from("link-arg=").then(argument.clone()));
                }
            }
        }
    }

    /// Adds the library directories of build scripts; returns their outputs.
    fn library_directories(&mut self, linked: &LinkedScripts) -> Vec<(UnitIndex, Arc<ScriptOutput>)> {
        let outputs = linked
            .to_link
            .iter()
            .filter_map(|script| Some((*script, (self.scripts)(*script)?)));
        let outputs: Vec<_> = outputs.collect();
        let paths = || outputs.iter().flat_map(|(_, output)| &output.library_paths);
        // What was just built comes before the system's libraries.
        for path in paths()
            .filter(|path| path.location == LibraryLocation::OutDir)
            .chain(paths().filter(|path| path.location != LibraryLocation::OutDir))
        {
            self.push("-L");
            self.push(path.value.clone());
        }
        outputs
    }

    /// What the build script of the package said about the code.
    fn script_flags(&mut self) {
        for script in self.planned.own_scripts() {
            let Some(output) = (self.scripts)(script) else { continue };
            for cfg in &output.cfgs {
                self.push("--cfg");
                self.push(cfg.clone());
            }
            for expected in &output.check_cfgs {
                self.push("--check-cfg");
                self.push(expected.clone());
            }
        }
    }
}

impl LinkArgTarget {
    fn applies_to(&self, unit: &Unit) -> bool {
        match self {
            Self::All => true,
            Self::Cdylib => unit.is("cdylib"),
            Self::Bins => unit.is("bin"),
            Self::Bin(name) => unit.is("bin") && unit.target.name == *name,
            Self::Tests => unit.is("test"),
            Self::Benches => unit.is("bench"),
            Self::Examples => unit.is("example") && unit.makes("bin"),
        }
    }
}

impl Package {
    /// Whether one of its targets is a library.
    pub(crate) fn has_library(&self) -> bool {
        let is_other = |kind: &String| matches!(kind.as_str(), "bin" | "example" | "test" | "bench" | "custom-build");
        self.targets.iter().any(|target| !target.kind.iter().any(is_other))
    }
}

/// Whether this release of Cargo omits `[lints]` if they are capped anyway, as it does since 1.99.
fn omits_capped_lints(release: &str) -> bool {
    semver::Version::parse(release).is_ok_and(|release| (release.major, release.minor) >= (1, 99))
}

#[cfg(test)]
mod tests {
    use super::omits_capped_lints;

    #[test]
    fn lints_that_are_capped_are_left_out_since_the_release_in_which_cargo_does_so() {
        assert!(!omits_capped_lints("1.95.0"));
        assert!(!omits_capped_lints("1.98.2"));
        assert!(omits_capped_lints("1.99.0-nightly"));
        assert!(omits_capped_lints("1.99.1"));
    }
}
