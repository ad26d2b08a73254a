//! What actions that run code of others are kept from: build scripts, and compilers with proc macros.
//!
//! They can read the machine, but not people's secrets and not the store, and write nothing but their outputs. The
//! script of the user's own package may write into that package, as with Cargo: that is recorded and replayed.

use vx_cargo::UnitIndex;
use vx_home::VxHome;
use vx_model::{Action, Containment, Input, Key, Root, RootedPath};
use vx_proto::WireError;

use super::dependencies::private_directory;
use crate::engine::actions::{Grants, Stop};
use crate::engine::build::Context;
use crate::engine::inputs::is_below;

/// What nobody's build may read, below the user's home.
const SECRETS: &[&str] = &[
    // Keys and passwords.
    ".ssh",
    ".gnupg",
    ".password-store",
    ".local/share/keyrings",
    ".config/op",
    ".vault-token",
    ".netrc",
    // Clouds and clusters.
    ".aws",
    ".azure",
    ".config/gcloud",
    ".kube",
    ".docker/config.json",
    ".terraform.d",
    // Forges and registries.
    ".git-credentials",
    ".config/git/credentials",
    ".config/gh",
    ".config/hub",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".npmrc",
    ".pypirc",
    ".gem/credentials",
    // Browsers.
    ".mozilla",
    ".config/chromium",
    ".config/google-chrome",
    ".config/BraveSoftware",
    // What people typed.
    ".bash_history",
    ".zsh_history",
    ".python_history",
];

/// An action that may be contained, and what it was granted.
pub(super) struct Contained<'a> {
    context: &'a Context,
    unit: UnitIndex,
    /// The key of the action without grants; `None` if it is not contained.
    key: Option<Key>,
    grants: Grants,
}

impl<'a> Contained<'a> {
    /// Contains `action` by `containment`, if any, unless the machine refuses; gives it what it was granted before.
    pub(super) async fn new(
        context: &'a Context,
        unit: UnitIndex,
        action: &mut Action,
        containment: Option<Containment>,
    ) -> Result<Self, Stop> {
        let mut contained = Self {
            context,
            unit,
            key: None,
            grants: Grants::default(),
        };
        let Some(containment) = containment else {
            return Ok(contained);
        };
        if context.can_contain().await? {
            action.access.containment = Some(containment);
            let key = action.key();
            contained.key = Some(key);
            contained.grants = context.setting.sandbox.grants(&context.package(unit).name);
            if !context.setting.sandbox.strict {
                contained.grants.extend(&context.granted(key).await?);
            }
            contained.grants.give(action);
            contained.make_granted_directories();
        }
        Ok(contained)
    }

    /// What does not exist cannot be mounted.
    fn make_granted_directories(&self) {
        let roots = &self.context.setting.roots;
        for path in self.grants.writable.iter().filter(|path| roots.knows(path.root)) {
            let path = roots.absolute(path);
            if let Err(error) = std::fs::create_dir_all(&path)
                && error.kind() != std::io::ErrorKind::AlreadyExists
            {
                tracing::warn!(path, %error, "failed to create a directory that a package may write to");
            }
        }
    }

    /// The inputs that bind a result with grants to its place.
    pub(super) fn inputs(&self) -> Vec<Input> {
        self.grants.bind(&self.context.setting.roots)
    }

    /// Grants what the action was denied, besides what it has.
    pub(super) async fn grant(&mut self, action: &mut Action, denied: Grants) -> Result<(), Stop> {
        self.grants.extend(&denied);
        self.grants.give(action);
        match self.key {
            Some(key) => self.context.note_granted(self.unit, key, &self.grants, &denied).await,
            // Nothing is denied to an action that is not contained.
            None => Ok(()),
        }
    }
}

/// Adds to a failure what the action tried to change and may not.
pub(super) fn explain(failure: WireError, refused: &[String]) -> WireError {
    match refused.first() {
        Some(path) => failure.with_help(format!("it tried to change `{path}`, which code of packages may not")),
        None => failure,
    }
}

/// The containment of the run of a build script.
pub(super) fn of_script(context: &Context, unit: UnitIndex) -> Containment {
    let package = context.package(unit);
    let mut containment = Containment {
        hidden: hidden(),
        ..Containment::default()
    };
    if package.source.is_path() {
        let absolute = |path: &RootedPath| context.setting.roots.absolute(path);
        let own = absolute(&package.root);
        let others = context.plan.packages.iter().filter(|other| {
            other.source.is_path() && other.root != package.root && is_below(&absolute(&other.root), &own)
        });
        containment.read_only = others.map(|other| other.root.clone()).collect();
        containment.read_only.push(private_directory());
        containment.read_only.sort();
        containment.writable.push(package.root.clone());
    }
    containment
}

/// The containment of a compiler with proc macros.
pub(super) fn of_macros() -> Containment {
    Containment {
        writable: vec![private_directory()],
        hidden: hidden(),
        ..Containment::default()
    }
}

fn hidden() -> Vec<RootedPath> {
    let secrets = SECRETS.iter().map(|path| RootedPath::new(Root::UserHome, *path));
    let relative = VxHome::new("");
    let services = [relative.cas(), relative.run(), relative.log(), relative.downloads()];
    let services = services.map(|path| RootedPath::new(Root::VxHome, path.as_str()));
    secrets.chain(services).collect()
}
