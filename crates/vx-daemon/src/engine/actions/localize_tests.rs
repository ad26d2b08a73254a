//! Requests depend on their actions alone: two different requests, made in the same surroundings, have actions with
//! different digests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use vx_model::{Access, Command, Digest, Observation, OutputPath, Template, View};

use super::*;

fn roots() -> Roots {
    Roots::default()
        .with(Root::Workspace, "/home/ann/project")
        .with(Root::VxHome, "/home/ann/.vx")
        .with(Root::UserHome, "/home/ann")
        .with(Root::Toolchain, "/opt/rust")
        .with(Root::Exec, "/home/ann/.vx/exec/7")
        .with(Root::Script, "/home/ann/.vx/out/run-0")
}

fn surroundings() -> Surroundings {
    let variables = [("PATH", "/bin"), ("A", "user's"), ("HOME", "/home/ann")];
    Surroundings {
        roots: roots(),
        environment: Arc::new(
            variables
                .map(|(name, value)| (name.to_owned(), Template::from_text(value, &roots())))
                .into(),
        ),
    }
}

fn path() -> impl Strategy<Value = RootedPath> {
    let below = select(&["", "a", "a/b", "deps/x", "out", "/home/ann/project"][..]);
    (select(&Root::ALL[..]), below).prop_map(|(root, below)| RootedPath::new(root, below))
}

fn template() -> impl Strategy<Value = Template> {
    // Texts that look like paths, and paths that look like texts.
    let text =
        select(&["", "a", "{workspace}", "{exec/a}", "/home/ann/project", "}{", "="][..]).prop_map(Template::from);
    let piece = prop_oneof![text, path().prop_map(Template::from)];
    vec(piece, 0..3).prop_map(|pieces| pieces.into_iter().fold(Template::new(), Template::then))
}

fn input() -> impl Strategy<Value = DeclaredInput> {
    let digest = select(&["1", "2"][..]).prop_map(|content| Digest::of(content.as_bytes()));
    prop_oneof![
        (digest, any::<bool>()).prop_map(|(digest, is_executable)| DeclaredInput::File { digest, is_executable }),
        Just(DeclaredInput::Directory),
        select(&["1", "2"][..]).prop_map(|identity| DeclaredInput::Immutable {
            identity: identity.to_owned()
        }),
    ]
}

fn output() -> impl Strategy<Value = OutputPath> {
    let kind = select(&[OutputKind::Files, OutputKind::Tree, OutputKind::Inline][..]);
    (path(), kind).prop_map(|(path, kind)| OutputPath { path, kind })
}

fn name() -> impl Strategy<Value = String> {
    select(&["A", "B", "PATH"][..]).prop_map(str::to_owned)
}

fn command() -> impl Strategy<Value = Command> {
    let environment = btree_map(name(), template(), 0..3);
    let outputs = btree_set(output(), 0..3);
    (vec(template(), 0..4), environment, path(), outputs).prop_map(
        |(arguments, environment, working_directory, outputs): (_, _, _, BTreeSet<OutputPath>)| Command {
            arguments,
            environment,
            working_directory,
            outputs,
        },
    )
}

fn access() -> impl Strategy<Value = Access> {
    let lists = || vec(path(), 0..2);
    let view = (select(&["", "below"][..]), lists()).prop_map(|(workspace, directories)| View {
        workspace: workspace.to_owned(),
        directories,
    });
    let containment = (lists(), lists(), lists(), lists(), option::of(view), any::<bool>());
    let containment =
        containment.prop_map(
            |(writable, read_only, scratch, hidden, view, network)| vx_model::Containment {
                writable,
                read_only,
                scratch,
                hidden,
                view,
                network,
            },
        );
    let paths = || vec(path(), 0..2);
    (any::<bool>(), paths(), paths(), option::of(containment)).prop_map(
        |(environment, writable, private, containment)| Access {
            environment,
            writable,
            private,
            containment,
        },
    )
}

/// Without directories that exist anyway because of what is in them: whether they are declared makes no difference.
fn without_parents(mut inputs: BTreeMap<RootedPath, DeclaredInput>) -> BTreeMap<RootedPath, DeclaredInput> {
    let all: Vec<RootedPath> = inputs.keys().cloned().collect();
    let is_parent = |path: &RootedPath| {
        let is_below = |other: &RootedPath| {
            let rest = other.path.strip_prefix(&path.path);
            other.root == path.root && rest.is_some_and(|rest| path.path.is_empty() || rest.starts_with('/'))
        };
        all.iter().any(|other| other != path && is_below(other))
    };
    inputs.retain(|path, input| *input != DeclaredInput::Directory || !is_parent(path));
    inputs
}

fn action() -> impl Strategy<Value = Action> {
    let texts = || btree_map(name(), select(&["1", "2"][..]).prop_map(str::to_owned), 0..2);
    let facts = btree_map(name(), template(), 0..2);
    let observation = (any::<bool>(), any::<bool>()).prop_map(|(file_accesses, artifact_notices)| Observation {
        file_accesses,
        artifact_notices,
    });
    let inputs = btree_map(path(), input(), 0..4).prop_map(without_parents);
    let kind = select(&["rustc", "build script"][..]);
    (kind, command(), inputs, texts(), facts, access(), observation, "[ab]?").prop_map(
        |(kind, command, inputs, platform, host_facts, access, observation, salt)| Action {
            kind: kind.to_owned(),
            command,
            inputs,
            platform,
            host_facts,
            access,
            observation,
            salt,
        },
    )
}

/// `base` with one field of `other`.
fn mixed(base: &Action, other: &Action, field: usize) -> Action {
    let mut mixed = base.clone();
    match field {
        0 => mixed.kind.clone_from(&other.kind),
        1 => mixed.command.arguments.clone_from(&other.command.arguments),
        2 => mixed.command.environment.clone_from(&other.command.environment),
        3 => mixed
            .command
            .working_directory
            .clone_from(&other.command.working_directory),
        4 => mixed.command.outputs.clone_from(&other.command.outputs),
        5 => mixed.inputs.clone_from(&other.inputs),
        6 => mixed.platform.clone_from(&other.platform),
        7 => mixed.host_facts.clone_from(&other.host_facts),
        8 => mixed.access.clone_from(&other.access),
        9 => mixed.observation = other.observation,
        _ => mixed.salt.clone_from(&other.salt),
    }
    mixed
}

/// The number of fields that [`mixed`] can replace.
const FIELDS: usize = 11;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn requests_that_differ_have_other_digests(base in action(), other in action()) {
        let request = |action: &Action| localize(action, &surroundings(), &roots());
        for field in 0..FIELDS {
            let mixed = mixed(&base, &other, field);
            if request(&mixed) != request(&base) {
                prop_assert_ne!(mixed.digest(), base.digest(), "field {}", field);
            }
            prop_assert_eq!(mixed == base, mixed.digest() == base.digest(), "field {}", field);
        }
    }

    #[test]
    fn everything_that_runs_is_of_the_action_or_a_variable_of_the_surroundings(action in action()) {
        let surroundings = surroundings();
        let request = localize(&action, &surroundings, &roots());
        let roots = || match action.view() {
            Some(view) => roots().in_view(view),
            None => roots(),
        };
        let expected: Vec<String> = action.command.arguments.iter().map(|argument| argument.render(&roots())).collect();
        prop_assert_eq!(&request.arguments, &expected);
        for variable in &request.environment {
            let own = action.command.environment.get(&variable.name);
            let users = surroundings.environment.get(&variable.name).filter(|_| action.access.environment);
            let value = own.or(users).map(|value| value.render(&roots()));
            prop_assert_eq!(Some(&variable.value), value.as_ref(), "{}", variable.name);
        }
        prop_assert_eq!(request.working_directory, roots().absolute(&action.command.working_directory));
    }
}

#[test]
fn a_text_that_looks_like_a_path_stays_a_text() {
    let action = |argument: Template| Action {
        kind: "rustc".to_owned(),
        command: Command {
            arguments: vec![argument],
            environment: BTreeMap::new(),
            working_directory: RootedPath::new(Root::Workspace, ""),
            outputs: BTreeSet::new(),
        },
        inputs: BTreeMap::new(),
        platform: BTreeMap::new(),
        host_facts: BTreeMap::new(),
        access: Access::default(),
        observation: Observation::default(),
        salt: String::new(),
    };
    let text = action("{workspace}".into());
    let path = action(RootedPath::new(Root::Workspace, "").into());
    let request = |action: &Action| localize(action, &surroundings(), &roots());
    assert_eq!(request(&text).arguments, ["{workspace}"]);
    assert_eq!(request(&path).arguments, ["/home/ann/project"]);
    assert_ne!(text.digest(), path.digest());
}
