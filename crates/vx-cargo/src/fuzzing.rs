//! What must hold for any output of a compiler or a build script: readers accept or reject it. Fuzzers and property
//! tests call these functions; they are not part of the interface.

use vx_model::{Root, RootedPath, Roots, Template};

use crate::plan::{Package, PackageSource};
use crate::{DepInfo, script_output};

/// rustc's dep-info.
pub fn dep_info(text: &str) {
    DepInfo::parse(text);
}

/// What a build script prints.
pub fn script_output(stdout: &[u8]) {
    let package = Package {
        name: "p".to_owned(),
        version: "1.0.0".to_owned(),
        id: Template::new(),
        source: PackageSource::Path { member: true },
        root: RootedPath::new(Root::Workspace, ""),
        links: Some("native".to_owned()),
        environment: Vec::new(),
        declared_features: Vec::new(),
        lint_flags: Vec::new(),
        rust_version: None,
        targets: Vec::new(),
    };
    let roots = Roots::default()
        .with(Root::Workspace, "/w")
        .with(Root::VxHome, "/h")
        .with(Root::Script, "/h/out/run-1");
    let out_dir = RootedPath::new(Root::Script, "target/debug/build/p-0123456789abcdef/out");
    let _ = script_output::read(&package, stdout, out_dir, &roots, false, None);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn dep_infos(text in "(?s).{0,200}|([a-z/.]{1,9}|:|\\\\|\n| |# env-dep:[A-Z=]{0,5}){0,40}") {
            super::dep_info(&text);
        }

        #[test]
        fn script_outputs(text in "((cargo::?)?[a-z-]{0,20}(=|:)?[a-z/=\"(), ]{0,30}\n?){0,12}", noise in prop::collection::vec(any::<u8>(), 0..50)) {
            super::script_output(text.as_bytes());
            super::script_output(&[text.as_bytes(), &noise].concat());
        }
    }
}
