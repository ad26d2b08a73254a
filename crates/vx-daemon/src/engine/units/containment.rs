//! What actions that run code of others are kept from: build scripts, and compilers with proc macros.
//!
//! They can read the machine, but not people's secrets and not the store, and write nothing but their outputs. The
//! script of the user's own package may write into that package, as with Cargo: that is recorded and replayed.

use std::sync::Arc;

use vx_cargo::{PackageSource, UnitIndex};
use vx_home::VxHome;
use vx_model::{Action, Containment, Input, Key, Root, RootedPath, Roots, View};
use vx_path::is_below;
use vx_proto::{BuildEvent, ErrorKind, WireError};

use super::dependencies::private_directory;
use crate::engine::actions::{Again, Entered, Grants, Made, Performed, Step, Stop, Surroundings};
use crate::engine::build::Context;
use crate::engine::inputs::Environment;
use crate::engine::records::Granted;

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

/// Where contained processes find nothing of others anyway.
const PRIVATE: [&str; 4] = ["/tmp", "/var/tmp", "/run", "/var/run"];

/// The sockets of the user's agents, as their variables name them, where contained processes could reach them.
pub(crate) fn agents(user: &Environment, roots: &Roots) -> Vec<RootedPath> {
    let named = |name: &str| user.get(name).map(String::as_str);
    let ssh = named("SSH_AUTH_SOCK");
    // The path stands before the first colon.
    let gpg = named("GPG_AGENT_INFO").and_then(|value| value.split(':').next());
    // A list of addresses, each with parameters.
    let bus = named("DBUS_SESSION_BUS_ADDRESS").unwrap_or_default();
    let bus = bus.split([';', ',']).filter_map(|part| part.strip_prefix("unix:path="));
    let paths = ssh.into_iter().chain(gpg).chain(bus).filter(|path| {
        let is_plain = path.starts_with('/') && !path.split('/').any(|part| part == "..");
        is_plain && !is_private(path, roots)
    });
    let paths = paths.map(|path| roots.locate(path));
    let is_secret =
        |path: &RootedPath| path.root == Root::UserHome && SECRETS.iter().any(|secret| is_below(&path.path, secret));
    paths.filter(|path| !is_secret(path)).collect()
}

/// Whether a path lies where contained processes find nothing of others. An entry there that holds one of `roots` is found.
fn is_private(path: &str, roots: &Roots) -> bool {
    let holds_root = |entry: &str| {
        let mut known = Root::ALL.into_iter().filter(|root| roots.knows(*root));
        known.any(|root| is_below(roots.dir(root), entry))
    };
    PRIVATE.iter().any(|private| {
        let below = path.strip_prefix(private).and_then(|below| below.strip_prefix('/'));
        below.is_some_and(|below| {
            let first = below.split('/').next().unwrap_or_default();
            !holds_root(&format!("{private}/{first}"))
        })
    })
}

/// An action that may be contained, and what it is granted.
pub(super) struct Contained<'a> {
    context: &'a Context,
    unit: UnitIndex,
    action: Arc<Action>,
    /// The same with no more than the user's settings grant.
    ungranted: Arc<Action>,
    /// The key of the action without grants; `None` if it is not contained.
    key: Option<Key>,
    grants: Grants,
    /// Whether these include what it was granted in earlier builds.
    remembers: bool,
    /// Whether they include more than that.
    is_extended: bool,
    /// Whether it runs code of others, contained or not.
    hosts_others: bool,
}

impl<'a> Contained<'a> {
    /// Contains `action` by `containment`, if any, unless the machine refuses.
    pub(super) async fn new(
        context: &'a Context,
        unit: UnitIndex,
        mut action: Action,
        containment: Option<Containment>,
    ) -> Result<Self, Stop> {
        let (mut key, mut grants) = (None, Grants::default());
        let hosts_others = containment.is_some();
        if containment.is_some() && context.engine.actions.can_contain(&context.setting.events).await? {
            action.access.containment = containment;
            key = Some(action.key());
            grants = context.setting.sandbox.grants(&context.package(unit).name);
        }
        let action = Arc::new(action);
        let mut contained = Self {
            context,
            unit,
            ungranted: action.clone(),
            action,
            key,
            grants,
            remembers: false,
            is_extended: false,
            hosts_others,
        };
        contained.give();
        contained.ungranted = contained.action.clone();
        Ok(contained)
    }

    /// Looks up the result, or runs the action: again if it turns out to need what it is denied. `step` makes a step for
    /// the action and for the inputs that bind its result to its place; the last one is returned.
    pub(super) async fn perform<S: Step>(
        mut self,
        surroundings: &Surroundings,
        label: String,
        step: impl Fn(Arc<Action>, Vec<Input>) -> S,
    ) -> Result<(Arc<Made>, S), Stop> {
        let dispatch = self.context.dispatch(self.unit, label);
        let make_step = step;
        loop {
            let action = self.action.clone();
            let mut step = make_step(action.clone(), self.bound());
            let entered = self.context.engine.actions.enter(&action, surroundings).await;
            let made = match entered.look_up(&mut step).await? {
                Some(made) => made,
                None if self.remember().await? => continue,
                None if !self.is_extended
                    && !self.grants.are_told()
                    && let Some(found) = self.without_out_dir(&entered, surroundings, &make_step).await? =>
                {
                    return Ok(found);
                }
                None => match entered.run(dispatch.clone(), &mut step).await? {
                    Performed::Made(made) => {
                        self.note().await?;
                        *made
                    }
                    Performed::Denied(grants) => {
                        self.grant(&grants)?;
                        if step.is_used() {
                            self.note().await?;
                            return Err(Stop::Again(Again::RealPaths));
                        }
                        continue;
                    }
                },
            };
            let made = Arc::new(made);
            drop(entered);
            self.context.note(self.unit, action, &made);
            return Ok((made, step));
        }
    }

    /// A result that lacks the output directory. It is that of a run in another checkout, which did not count there because
    /// the output directory shows where it ran.
    async fn without_out_dir<S: Step>(
        &self,
        entered: &Entered<'_>,
        surroundings: &Surroundings,
        make_step: &impl Fn(Arc<Action>, Vec<Input>) -> S,
    ) -> Result<Option<(Arc<Made>, S)>, Stop> {
        let action = self.ungranted.clone();
        let mut step = make_step(action.clone(), Vec::new());
        if action.view().is_none() || !step.may_lack_out_dir() {
            return Ok(None);
        }
        let made = match Arc::ptr_eq(&action, &self.action) {
            true => entered.look_up(&mut step).await?,
            false => {
                let entered = self.context.engine.actions.enter(&action, surroundings).await;
                entered.look_up(&mut step).await?
            }
        };
        let Some(made) = made.map(Arc::new) else {
            return Ok(None);
        };
        self.context.note(self.unit, action.clone(), &made);
        Ok(Some((made, step)))
    }

    /// The inputs that bind a result to its place: what code of others computes from a path is not known.
    fn bound(&self) -> Vec<Input> {
        let mut bound = self.grants.bind(&self.context.setting.roots);
        if self.hosts_others && self.action.view().is_none() && self.context.package(self.unit).source.is_path() {
            bound.push(Input::Location(RootedPath::new(Root::Workspace, "")));
        }
        bound
    }

    /// Gives it what it was granted in earlier builds; false if that is nothing more.
    async fn remember(&mut self) -> Result<bool, Stop> {
        let Some(key) = self.key.filter(|_| !self.remembers) else {
            return Ok(false);
        };
        self.remembers = true;
        let Some(Granted { action, grants }) = self.context.engine.records.get(self.identity()).await? else {
            return Ok(false);
        };
        let before = self.grants.clone();
        self.grants.real_paths |= grants.real_paths;
        if action == key.hex() && !self.context.setting.sandbox.strict {
            self.grants.extend(&grants);
        }
        self.give();
        Ok(self.grants != before)
    }

    /// Remembers for later builds what it is granted besides the user's settings.
    async fn note(&self) -> Result<(), Stop> {
        let Some(key) = self.key.filter(|_| self.is_extended) else {
            return Ok(());
        };
        let granted = Granted {
            action: key.hex(),
            grants: self.grants.clone(),
        };
        Ok(self.context.engine.records.put(self.identity(), &granted).await?)
    }

    fn identity(&self) -> &str {
        &self.context.plan.units[self.unit].identity
    }

    /// Grants what the action was denied, besides what it has. Fails if the user wants none but their own grants.
    fn grant(&mut self, denied: &Grants) -> Result<(), Stop> {
        let context = self.context;
        self.is_extended = true;
        context.ledger().ran_again += 1;
        let name = context.plan.unit(self.unit).description();
        let what = denied.describe(&context.setting.roots);
        if denied.are_told() && context.setting.sandbox.strict {
            let message = format!("{name} needs {what}, which it is not granted");
            let settings = denied.settings(&context.package(self.unit).name);
            let help = format!("to grant it, add to `.vx.toml` in the workspace:\n{settings}");
            return Err(WireError::new(ErrorKind::BuildFailed, message).with_help(help).into());
        }
        self.grants.extend(denied);
        self.give();
        if denied.are_told() {
            context.tell(BuildEvent::Warning(format!(
                "{name} needs {what}: its result is not shared with other checkouts"
            )));
        }
        Ok(())
    }

    fn give(&mut self) {
        if self.grants.is_empty() {
            return;
        }
        self.grants.give(Arc::make_mut(&mut self.action));
        // What does not exist cannot be mounted.
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
        hidden: hidden(context),
        view: view(context, unit),
        ..Containment::default()
    };
    // Compilers that scripts start put temporary files into the package, wherever it is. A repository is one file
    // system, or git would not find its root.
    match &package.source {
        PackageSource::Git { checkout, .. } => containment.scratch.push(checkout.clone()),
        PackageSource::Registry { .. } => containment.scratch.push(package.root.clone()),
        PackageSource::Path { .. } => {}
    }
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

/// The containment of rustc with proc macros.
pub(super) fn of_macros(context: &Context, unit: UnitIndex) -> Containment {
    Containment {
        view: view(context, unit),
        ..of_documentation(context)
    }
}

/// The containment of rustdoc with proc macros. It finds everything where it is: what it writes stays in the workspace.
pub(super) fn of_documentation(context: &Context) -> Containment {
    Containment {
        writable: vec![private_directory()],
        hidden: hidden(context),
        ..Containment::default()
    }
}

fn view(context: &Context, unit: UnitIndex) -> Option<View> {
    let package = context.package(unit);
    let path = package.source.is_path().then_some(&package.root);
    context.view.of(path, &context.setting.roots)
}

fn hidden(context: &Context) -> Vec<RootedPath> {
    let secrets = SECRETS.iter().map(|path| RootedPath::new(Root::UserHome, *path));
    let relative = VxHome::new("");
    let services = [relative.cas(), relative.run(), relative.log(), relative.downloads()];
    let services = services.map(|path| RootedPath::new(Root::VxHome, path.as_str()));
    let agents = context.setting.agents.iter().cloned();
    secrets.chain(services).chain(agents).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn only_agents_in_unusual_places_are_hidden_by_their_paths() {
        let roots = Roots::default().with(Root::UserHome, "/home/ann");
        let of = |variables: &[(&str, &str)]| {
            let user = variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            agents(&user.collect(), &roots)
        };
        let usual = [
            ("SSH_AUTH_SOCK", "/tmp/ssh-x/agent.1"),
            ("GPG_AGENT_INFO", "/home/ann/.gnupg/S.gpg-agent:0:1"),
            ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/user/1000/bus"),
        ];
        assert!(of(&usual).is_empty());
        assert!(of(&[("SSH_AUTH_SOCK", "/home/ann/.ssh/agent/s.1")]).is_empty());
        assert!(of(&[("SSH_AUTH_SOCK", "relative"), ("GPG_AGENT_INFO", "")]).is_empty());
        let unusual = [
            ("SSH_AUTH_SOCK", "/home/ann/.1password/agent.sock"),
            ("GPG_AGENT_INFO", "/opt/agent:7:1"),
            ("DBUS_SESSION_BUS_ADDRESS", "tcp:host=x;unix:path=/home/ann/bus,guid=1"),
        ];
        let hidden = [
            (Root::UserHome, ".1password/agent.sock"),
            (Root::Host, "opt/agent"),
            (Root::UserHome, "bus"),
        ];
        assert_eq!(of(&unusual), hidden.map(|(root, path)| RootedPath::new(root, path)));

        let roots = Roots::default().with(Root::UserHome, "/tmp/ann");
        let user = BTreeMap::from([("SSH_AUTH_SOCK".to_owned(), "/tmp/ann/agent".to_owned())]);
        assert_eq!(agents(&user, &roots), [RootedPath::new(Root::UserHome, "agent")]);
    }
}
