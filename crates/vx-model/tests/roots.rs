//! Templates and roots: texts are equal in every checkout, and lose nothing.

use proptest::collection::vec;
use proptest::prelude::*;
use vx_model::{Part, Root, RootedPath, Roots, Template};

fn here() -> Roots {
    Roots::default()
        .with(Root::Workspace, "/home/ann/project")
        .with(Root::VxHome, "/home/ann/.vx")
        .with(Root::Toolchain, "/home/ann/.rustup/toolchains/stable")
        .with(Root::Exec, "/home/ann/.vx/exec/7")
}

fn there() -> Roots {
    Roots::default()
        .with(Root::Workspace, "/srv/checkouts/project-2")
        .with(Root::VxHome, "/var/lib/vx")
        .with(Root::Toolchain, "/opt/rust")
        .with(Root::Exec, "/var/lib/vx/exec/12")
}

fn root() -> impl Strategy<Value = Root> {
    prop_oneof![
        Just(Root::Workspace),
        Just(Root::VxHome),
        Just(Root::Toolchain),
        Just(Root::Exec)
    ]
}

/// A relative path, with file names that begin with dots among its components.
fn path() -> impl Strategy<Value = String> {
    vec("[a-z]{1,4}|\\.\\.?[a-z]{1,3}", 0..4).prop_map(|components| components.join("/"))
}

/// Texts that surround paths in arguments: they begin with a character that ends a component, and do not name a root.
fn literal() -> impl Strategy<Value = String> {
    "[=:, ]{1,2}(-?[a-z]{0,5}[=:, ])?"
}

fn template() -> impl Strategy<Value = Template> {
    let piece = (literal(), root(), path()).prop_map(|(text, root, path)| {
        let template = Template::from(text).path(RootedPath::new(root, ""));
        if path.is_empty() {
            template
        } else {
            template.text(format!("/{path}"))
        }
    });
    vec(piece, 0..4).prop_map(|pieces| pieces.into_iter().fold(Template::new(), Template::then))
}

proptest! {
    #[test]
    fn a_text_is_rendered_as_it_was(text in "(/home/ann|/project|/\\.vx|/exec/7|[a-z/.:= ]|é){0,12}") {
        prop_assert_eq!(Template::from_text(&text, &here()).render(&here()), text);
    }

    #[test]
    fn a_template_is_found_again_in_its_text(template in template()) {
        // A path below the home that happens to be in the exec root is named by the exec root: compare by text.
        let found = Template::from_text(&template.render(&here()), &here());
        prop_assert_eq!(found.render(&there()), template.render(&there()));
        prop_assert_eq!(found, template);
    }

    #[test]
    fn an_absolute_path_is_where_it_was_located(path in path().prop_map(|path| format!("/{path}"))) {
        for path in [path.clone(), format!("/home/ann{path}"), format!("/home/ann/.vx{path}")] {
            let path = path.trim_end_matches('/');
            prop_assume!(!path.is_empty());
            prop_assert_eq!(here().absolute(&here().locate(path)), path);
        }
    }

    #[test]
    fn a_path_is_located_where_it_is(root in root(), path in path()) {
        let located = RootedPath::new(root, path);
        prop_assert_eq!(here().locate(&here().absolute(&located)), located);
    }
}

#[test]
fn the_innermost_root_names_a_path() {
    assert_eq!(
        here().locate("/home/ann/.vx/exec/7/out"),
        RootedPath::new(Root::Exec, "out")
    );
    assert_eq!(
        here().locate("/home/ann/.vx/exec/70"),
        RootedPath::new(Root::VxHome, "exec/70")
    );
    assert_eq!(here().locate("/home/ann"), RootedPath::new(Root::Host, "home/ann"));
    assert_eq!(here().locate("/"), RootedPath::new(Root::Host, ""));
    assert_eq!(here().absolute(&RootedPath::new(Root::Host, "")), "/");
}

#[test]
fn a_path_may_lie_above_its_root() {
    let above = |path: &str| here().absolute(&RootedPath::new(Root::Workspace, path));
    assert_eq!(above("../shared/lib.rs"), "/home/ann/shared/lib.rs");
    assert_eq!(above(".."), "/home/ann");
    assert_eq!(above("../../../../../x"), "/x");
    assert_eq!(above("..x/y"), "/home/ann/project/..x/y");
}

#[test]
fn a_name_that_only_begins_like_a_root_is_text() {
    let text = "/home/ann/project-2/src:/home/ann/project.old";
    assert_eq!(Template::from_text(text, &here()), Template::from(text));
}

#[test]
fn a_moved_path_lies_below_the_other() {
    let template = Template::from("-o ").path(RootedPath::new(Root::Script, "gen.rs"));
    let moved = template.moved(Root::Script, &RootedPath::new(Root::VxHome, "out/1"));
    assert_eq!(
        moved.parts[1],
        Part::Path(RootedPath::new(Root::VxHome, "out/1/gen.rs"))
    );
}
