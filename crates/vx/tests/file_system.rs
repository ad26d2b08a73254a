//! What a build found in the file system and no longer finds: each test changes something that is not the content of a
//! declared file, builds again, and holds what the program does against what it would do if built from nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};

use camino::{Utf8Path, Utf8PathBuf};
use harness::{TestEnv, files};

/// A package with this build script and this program.
fn package(directory: &Utf8Path, script: &str, program: &str) {
    let write = |path: &str, text: &str| files::write(&directory.join(path), text);
    write(
        "Cargo.toml",
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    if !script.is_empty() {
        write("build.rs", &format!("fn main() {{\n{script}\n}}\n"));
    }
    write("src/main.rs", &format!("fn main() {{\n{program}\n}}\n"));
}

/// A program that prints what its build script, which runs `script`, has found.
fn script_that_finds(directory: &Utf8Path, script: &str) {
    let script = format!(
        "let found: String = {{ {script} }};
         println!(\"cargo::rustc-env=FOUND={{}}\", found.trim().replace('\\n', \" \"));
         println!(\"cargo::rerun-if-changed=build.rs\");"
    );
    package(directory, &script, "println!(\"{}\", env!(\"FOUND\"));");
}

/// The same, of what a command of the shell prints.
fn shell_that_finds(directory: &Utf8Path, command: &str) {
    script_that_finds(
        directory,
        &format!(
            "let output = std::process::Command::new(\"sh\").args([\"-c\", {command:?}]).output().unwrap();
             String::from_utf8(output.stdout).unwrap()"
        ),
    );
}

/// Builds in `directory` and runs the program.
fn build_and_run(env: &TestEnv, directory: &Utf8Path) -> String {
    env.build_in(directory, &[]);
    env.run_program_in(directory, "debug/app").trim_end().to_owned()
}

/// Nothing is started in `directory`, which has what `found` says.
fn assert_shared(env: &TestEnv, directory: &Utf8Path, found: &str) {
    assert_eq!(env.build_in(directory, &[]).ran, 0, "{directory}");
    assert_eq!(env.run_program_in(directory, "debug/app").trim_end(), found);
}

fn set_mode(path: &Utf8Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Points the link at `path` elsewhere.
fn retarget(path: &Utf8Path, target: &str) {
    let _ = std::fs::remove_file(path);
    symlink(target, path).unwrap();
}

/// Checkouts with neighbours of their own, the third at another depth.
fn checkouts(env: &TestEnv, lay_down: impl Fn(&Utf8Path)) -> [Utf8PathBuf; 3] {
    let places = ["a/project", "b/project", "c/deep/er/project"].map(|place| env.root().join("places").join(place));
    for place in &places {
        lay_down(place);
    }
    places
}

fn beside(project: &Utf8Path, name: &str) -> Utf8PathBuf {
    project.parent().unwrap().join(name)
}

#[test]
fn a_path_package_beside_the_workspace_is_that_of_each_checkout() {
    let env = TestEnv::new();
    let lay_down = |project: &Utf8Path, word: &str| {
        package(project, "", "println!(\"{}\", lib::word());");
        let manifest = std::fs::read_to_string(project.join("Cargo.toml")).unwrap();
        files::write(
            &project.join("Cargo.toml"),
            &format!("{manifest}[dependencies]\nlib = {{ path = \"../lib\" }}\n"),
        );
        let lib = beside(project, "lib");
        files::write(
            &lib.join("Cargo.toml"),
            "[package]\nname = \"lib\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
        );
        files::write(&lib.join("src/word.txt"), word);
        files::write(
            &lib.join("src/lib.rs"),
            "mod inner;\npub fn word() -> String { inner::word() + env!(\"BUILT\") }\n",
        );
        files::write(
            &lib.join("build.rs"),
            "fn main() { println!(\"cargo::rustc-env=BUILT={}\", std::fs::read_to_string(\"data\").unwrap()); }\n",
        );
        files::write(&lib.join("data"), word);
        files::write(
            &lib.join("src/inner.rs"),
            "pub fn word() -> String { include_str!(\"word.txt\").to_owned() }\n",
        );
    };
    let [a, b, c] = checkouts(&env, |project| lay_down(project, "same"));
    assert_eq!(build_and_run(&env, &a), "samesame");
    assert_shared(&env, &b, "samesame");
    assert_shared(&env, &c, "samesame");
    lay_down(&b, "other");
    assert_eq!(build_and_run(&env, &b), "otherother");
    assert_eq!(build_and_run(&env, &a), "samesame");
    // The first checkout is not needed any more.
    std::fs::remove_dir_all(env.root().join("places/a")).unwrap();
    assert_shared(&env, &c, "samesame");
}

#[test]
fn a_file_beside_the_workspace_that_is_included_is_that_of_each_checkout() {
    for include in [
        "include!(\"../../words.rs\")",
        "include!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/../words.rs\"))",
    ] {
        let env = TestEnv::new();
        let [a, b, c] = checkouts(&env, |project| {
            package(project, "", &format!("println!(\"{{}}\", {include});"));
            files::write(&beside(project, "words.rs"), "\"same\"");
        });
        assert_eq!(build_and_run(&env, &a), "same");
        files::write(&beside(&b, "words.rs"), "\"other\"");
        assert_eq!(build_and_run(&env, &b), "other", "{include}");
        assert_eq!(build_and_run(&env, &a), "same", "{include}");
        if include.contains("env!") {
            // The path of the checkout may be in the program.
            assert_eq!(build_and_run(&env, &c), "same", "{include}");
            continue;
        }
        std::fs::remove_dir_all(env.root().join("places/a")).unwrap();
        assert_shared(&env, &c, "same");
    }
}

#[test]
fn a_module_beside_the_workspace_that_is_shadowed_is_found() {
    let env = TestEnv::new();
    let [a, ..] = checkouts(&env, |project| {
        package(project, "", "println!(\"{}\", outside::inner::word());");
        let main = std::fs::read_to_string(project.join("src/main.rs")).unwrap();
        files::write(
            &project.join("src/main.rs"),
            &format!("#[path = \"../../outside/mod.rs\"]\nmod outside;\n{main}"),
        );
        files::write(&beside(project, "outside/mod.rs"), "pub mod inner;\n");
        files::write(
            &beside(project, "outside/inner.rs"),
            "pub fn word() -> &'static str { \"one\" }\n",
        );
    });
    assert_eq!(build_and_run(&env, &a), "one");
    // Two files for one module: an error, as with cargo.
    files::write(
        &beside(&a, "outside/inner/mod.rs"),
        "pub fn word() -> &'static str { \"two\" }\n",
    );
    env.vx(["build"]).current_dir(&a).run().code(101);
    std::fs::remove_file(beside(&a, "outside/inner.rs")).unwrap();
    assert_eq!(build_and_run(&env, &a), "two");
}

#[test]
fn what_a_script_reads_beside_the_workspace_is_that_of_each_checkout() {
    assert_neighbours_are_own(&[
        "std::fs::read_to_string(\"../data\").unwrap()",
        "std::fs::read_to_string(std::path::Path::new(&std::env::var(\"CARGO_MANIFEST_DIR\").unwrap()).parent().unwrap().join(\"data\")).unwrap()",
    ]);
}

#[test]
fn what_a_script_looks_at_beside_the_workspace_is_that_of_each_checkout() {
    assert_neighbours_are_own(&[
        "std::fs::exists(\"../data\").unwrap().to_string() + &std::fs::metadata(\"../data\").unwrap().len().to_string()",
        "let mut names: Vec<String> = std::fs::read_dir(\"..\").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect(); names.sort(); names.concat() + &std::fs::read_to_string(\"../data\").unwrap()",
    ]);
}

/// Each script finds what lies beside its own checkout.
fn assert_neighbours_are_own(reads: &[&str]) {
    for read in reads {
        let env = TestEnv::new();
        let [a, b, c] = checkouts(&env, |project| {
            script_that_finds(project, read);
            files::write(&beside(project, "data"), "same");
        });
        let same = build_and_run(&env, &a);
        assert_eq!(build_and_run(&env, &c), same, "{read}");
        files::write(&beside(&b, "data"), "another");
        let other = build_and_run(&env, &b);
        assert_ne!(same, other, "{read}");
        assert_eq!(build_and_run(&env, &a), same, "{read}");
        files::write(&beside(&c, "data"), "another");
        assert_eq!(build_and_run(&env, &c), other, "{read}");
    }
}

#[test]
fn a_link_that_is_pointed_elsewhere_is_followed() {
    assert_links_are_followed(&[
        ("cat link/word", "one"),
        ("cat alias", "one/word"),
        ("cat chain/word", "one"),
    ]);
}

#[test]
fn parents_and_lists_are_those_of_what_a_link_leads_to() {
    assert_links_are_followed(&[("cat link/../word", "one/deep"), ("ls link", "one")]);
}

#[test]
fn working_directories_and_texts_of_links_are_followed() {
    assert_links_are_followed(&[
        ("make -s -C link/..", "one/deep"),
        ("cd -P link && cat word", "one"),
        ("readlink link", "one"),
    ]);
}

/// Each script finds what lies behind a link to this target, and something else when the link leads elsewhere.
fn assert_links_are_followed(cases: &[(&str, &str)]) {
    for (find, target) in cases {
        let env = TestEnv::new();
        let project = env.project();
        shell_that_finds(&project, find);
        for word in ["one", "two"] {
            let write = |name: &str, text: &str| files::write(&project.join(word).join(name), text);
            write("word", word);
            write("deep/entry", word);
            write(&format!("entry-{word}"), word);
            write("Makefile", "all:\n\t@cat word\n");
        }
        let link = project.join(if find.contains("alias") { "alias" } else { "link" });
        retarget(&link, target);
        symlink("link", project.join("chain")).unwrap();
        let one = build_and_run(&env, &project);
        assert!(one.contains("one"), "{find}: {one}");
        retarget(&link, &target.replace("one", "two"));
        let two = build_and_run(&env, &project);
        assert_eq!(two, one.replace("one", "two"), "{find}");
        retarget(&link, target);
        assert_shared(&env, &project, &one);
        // A directory in the place of the link.
        if find.contains("link/word") {
            std::fs::remove_file(&link).unwrap();
            files::write(&link.join("word"), "three");
            assert_eq!(build_and_run(&env, &project), "three");
        }
    }
}

#[test]
fn a_second_checkout_with_the_same_links_starts_nothing() {
    let env = TestEnv::new();
    let lay_down = |project: &Utf8Path| {
        shell_that_finds(project, "cat link/word link/../word; ls -l link | wc -l");
        files::write(&project.join("one/word"), "word");
        files::write(&project.join("one/deep/word"), "word");
        retarget(&project.join("link"), "one/deep");
    };
    let [a, b, c] = checkouts(&env, lay_down);
    let found = build_and_run(&env, &a);
    assert_shared(&env, &b, &found);
    assert_shared(&env, &c, &found);
}

#[test]
fn sources_behind_links_are_those_that_the_links_lead_to() {
    for (code, links) in [
        ("include!(\"link/../word.rs\")", "one/deep"),
        ("include!(\"link/word.rs\")", "one"),
    ] {
        let env = TestEnv::new();
        let project = env.project();
        package(&project, "", &format!("println!(\"{{}}\", {code});"));
        for word in ["one", "two"] {
            files::write(&project.join("src").join(word).join("word.rs"), &format!("{word:?}"));
            files::write(&project.join("src").join(word).join("deep/x"), "");
        }
        // Where the path would lead without links.
        files::write(&project.join("src/word.rs"), "\"wrong\"");
        let link = project.join("src/link");
        retarget(&link, links);
        assert_eq!(build_and_run(&env, &project), "one", "{code}");
        retarget(&link, &links.replace("one", "two"));
        assert_eq!(build_and_run(&env, &project), "two", "{code}");
        files::write(&project.join("src/two/word.rs"), "\"three\"");
        assert_eq!(build_and_run(&env, &project), "three", "{code}");
        let other = env.root().join("elsewhere/checkout");
        std::fs::create_dir_all(other.parent().unwrap()).unwrap();
        let copied = std::process::Command::new("cp")
            .args(["-a", project.as_str(), other.as_str()])
            .status();
        assert!(copied.unwrap().success());
        std::fs::remove_dir_all(other.join(".vx")).unwrap();
        assert_shared(&env, &other, "three");
    }
}

#[test]
fn packages_behind_links_are_those_that_the_links_lead_to() {
    let env = TestEnv::new();
    let project = env.project();
    package(&project, "", "println!(\"{}\", lib::WORD);");
    let manifest = std::fs::read_to_string(project.join("Cargo.toml")).unwrap();
    env.write(
        "Cargo.toml",
        &format!(
            "{manifest}[dependencies]\nlib = {{ path = \"link/lib\" }}\n[workspace]\nexclude = [\"one\", \"two\"]\n"
        ),
    );
    for word in ["one", "two"] {
        env.write(
            &format!("{word}/lib/Cargo.toml"),
            "[package]\nname = \"lib\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
        );
        env.write(
            &format!("{word}/lib/src/lib.rs"),
            &format!("pub const WORD: &str = {word:?};\n"),
        );
    }
    retarget(&project.join("link"), "one");
    assert_eq!(build_and_run(&env, &project), "one");
    retarget(&project.join("link"), "two");
    assert_eq!(build_and_run(&env, &project), "two");
    retarget(&project.join("link"), "one");
    assert_shared(&env, &project, "one");
}

#[test]
fn a_manifest_that_is_named_through_a_link_is_that_of_its_target() {
    let env = TestEnv::new();
    for word in ["one", "two"] {
        shell_that_finds(
            &env.root().join(word),
            "cat word; ls; cd ..; test -e one && cat one/word",
        );
        files::write(&env.root().join(word).join("word"), word);
    }
    let link = env.root().join("link");
    let build = || {
        let manifest = link.join("Cargo.toml");
        let outcome = env.vx(["build", "--manifest-path", manifest.as_str()]).run().success();
        (outcome.counts().ran, env.run_program_in(&link, "debug/app"))
    };
    retarget(&link, "one");
    let (_, one) = build();
    assert!(one.starts_with("one"), "{one}");
    assert_eq!(build(), (0, one.clone()));
    retarget(&link, "two");
    let (_, two) = build();
    assert!(two.starts_with("two"), "{two}");
    retarget(&link, "one");
    assert_eq!(build().1, one);
}

#[test]
fn permission_bits_decide_where_they_are_looked_at() {
    assert_modes_count(&[
        ("test -x tool && echo yes || echo no", [0o644, 0o755]),
        ("stat -c %a tool", [0o600, 0o644]),
        ("stat -c %a directory", [0o755, 0o700]),
        (
            "cp tool $OUT_DIR/tool; test -x $OUT_DIR/tool && echo yes || echo no",
            [0o644, 0o755],
        ),
    ]);
}

#[test]
fn permission_bits_decide_what_is_executed() {
    assert_modes_count(&[
        ("./tool 2>/dev/null || echo refused", [0o644, 0o755]),
        ("PATH=.:$PATH; tool 2>/dev/null || echo refused", [0o644, 0o755]),
        ("ls -l | grep tool | cut -c1-10", [0o644, 0o755]),
    ]);
}

/// Each script finds something else when the permission bits are the second and not the first.
fn assert_modes_count(cases: &[(&str, [u32; 2])]) {
    for (find, [first, second]) in cases {
        let env = TestEnv::new();
        let project = env.project();
        shell_that_finds(&project, find);
        env.write("tool", "#!/bin/sh\necho ran\n");
        env.write("directory/x", "");
        let subject = project.join(if find.contains("directory") {
            "directory"
        } else {
            "tool"
        });
        set_mode(&subject, *first);
        let before = build_and_run(&env, &project);
        set_mode(&subject, *second);
        let after = build_and_run(&env, &project);
        assert_ne!(before, after, "{find}");
        set_mode(&subject, *first);
        assert_shared(&env, &project, &before);
    }
}

#[test]
fn the_permission_bits_of_what_is_outside_of_the_workspace_count_too() {
    let env = TestEnv::new();
    let tool = env.root().join("tools/tool");
    files::write(&tool, "#!/bin/sh\necho ran\n");
    shell_that_finds(
        &env.project(),
        &format!("{tool} 2>/dev/null || echo refused; stat -c %s {tool}.data"),
    );
    files::write(&env.root().join("tools/tool.data"), "1");
    set_mode(&tool, 0o644);
    assert_eq!(build_and_run(&env, &env.project()), "refused 1");
    set_mode(&tool, 0o755);
    assert_eq!(build_and_run(&env, &env.project()), "ran 1");
    files::write(&env.root().join("tools/tool.data"), "12");
    assert_eq!(build_and_run(&env, &env.project()), "ran 2");
}

#[test]
fn a_version_control_directory_that_appears_in_a_listing_is_found() {
    let env = TestEnv::new();
    script_that_finds(
        &env.project(),
        "std::fs::read_dir(\".\").unwrap().any(|entry| entry.unwrap().file_name() == \".git\").to_string()",
    );
    assert_eq!(build_and_run(&env, &env.project()), "false");
    // vx's own directory is there by now.
    assert_shared(&env, &env.project(), "false");
    std::fs::create_dir(env.project().join(".git")).unwrap();
    assert_eq!(build_and_run(&env, &env.project()), "true");
    env.write(".git/HEAD", "content does not count");
    assert_shared(&env, &env.project(), "true");
}

#[test]
fn a_file_that_may_be_read_later_is_read() {
    let env = TestEnv::new();
    // As an ordinary user sees it: the superuser may read everything.
    shell_that_finds(
        &env.project(),
        "test $(stat -c %a data) != 0 && cat data || echo refused",
    );
    env.write("data", "text");
    set_mode(&env.project().join("data"), 0o000);
    assert_eq!(build_and_run(&env, &env.project()), "refused");
    set_mode(&env.project().join("data"), 0o644);
    assert_eq!(build_and_run(&env, &env.project()), "text");
}

/// A program with a script that finds something and then waits at a pipe of its own, which nothing observes.
fn script_that_waits(env: &TestEnv, find: &str) {
    shell_that_finds(
        &env.project(),
        &format!("{find}; mkfifo $TMPDIR/gate; read x <$TMPDIR/gate"),
    );
}

/// Opens the pipe at which a script waits below `home`, if one does.
fn open_gate(home: &Utf8Path) -> Option<std::fs::File> {
    // Without a reader, as of a script that has ended, this fails.
    let mut options = std::fs::File::options();
    options.write(true).custom_flags(O_NONBLOCK);
    let below = walkdir::WalkDir::new(home).into_iter().flatten();
    let mut gates = below.filter(|entry| entry.file_name() == "gate");
    gates.find_map(|gate| options.open(gate.path()).ok())
}

/// Of Linux.
const O_NONBLOCK: i32 = 0o4000;

/// Builds, and does something while the script waits.
fn build_around(env: &TestEnv, meanwhile: impl FnOnce()) {
    let mut build = env.vx(["build"]).into_command();
    let mut build = build.stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut gate = loop {
        if let Some(gate) = open_gate(&env.home()) {
            break gate;
        }
        assert_eq!(build.try_wait().unwrap(), None, "the script did not wait");
        std::thread::yield_now();
    };
    meanwhile();
    gate.write_all(b"go\n").unwrap();
    assert!(build.wait().unwrap().success());
}

/// Builds; the script, which would wait, must not run.
fn assert_kept(env: &TestEnv, found: &str) {
    let mut build = env.vx(["build"]).into_command();
    let mut build = build.stderr(std::process::Stdio::null()).spawn().unwrap();
    let status = loop {
        assert!(open_gate(&env.home()).is_none(), "the script ran again");
        if let Some(status) = build.try_wait().unwrap() {
            break status;
        }
        std::thread::yield_now();
    };
    assert!(status.success());
    assert_eq!(env.run_program("debug/app").trim_end(), found);
}

type Change = fn(&Utf8Path);

#[test]
fn what_changes_after_a_script_has_used_it_is_used_again() {
    assert_changes_are_found(&[
        ("cat optional 2>/dev/null || echo none", |project| {
            std::fs::remove_file(project.join("optional")).unwrap();
        }),
        ("cat absent 2>/dev/null || echo none", |project| {
            files::write(&project.join("absent"), "there");
        }),
        ("test -e absent && echo there || echo none", |project| {
            files::write(&project.join("absent"), "there");
        }),
        ("stat -c %a optional", |project| {
            set_mode(&project.join("optional"), 0o600);
        }),
    ]);
}

#[test]
fn a_directory_or_a_link_that_is_swapped_after_a_script_has_used_it_is_used_again() {
    assert_changes_are_found(&[
        ("cat directory/word", |project| {
            std::fs::rename(project.join("directory"), project.join("old")).unwrap();
            std::fs::rename(project.join("other"), project.join("directory")).unwrap();
        }),
        ("cat link/word", |project| retarget(&project.join("link"), "other")),
        ("ls directory", |project| {
            files::write(&project.join("directory/new"), "")
        }),
        ("stat -c %a optional", |project| {
            set_mode(&project.join("optional"), 0o600)
        }),
        ("PATH=$PWD/bin:$PATH; tool 2>/dev/null || echo none", |project| {
            files::write(&project.join("bin/tool"), "#!/bin/sh\necho ran\n");
            set_mode(&project.join("bin/tool"), 0o755);
        }),
    ]);
}

/// Each script finds something else when its project changes after it looked and before it ends.
fn assert_changes_are_found(cases: &[(&str, Change)]) {
    for (find, change) in cases {
        let env = TestEnv::new();
        let project = env.project();
        script_that_waits(&env, find);
        env.write("optional", "optional");
        env.write("directory/word", "one");
        env.write("other/word", "two");
        env.write("bin/x", "");
        retarget(&project.join("link"), "directory");
        build_around(&env, || change(&project));
        let found = env.run_program("debug/app").trim_end().to_owned();
        build_around(&env, || ());
        let again = env.run_program("debug/app").trim_end().to_owned();
        assert_ne!(found, again, "{find}");
        assert_kept(&env, &again);
    }
}

#[test]
fn what_an_editor_does_beside_what_a_script_uses_changes_nothing() {
    let env = TestEnv::new();
    script_that_waits(
        &env,
        "cat directory/word; test -d directory; test -e absent || echo none",
    );
    env.write("directory/word", "one");
    build_around(&env, || {
        env.write("directory/.word.swp", "");
        env.write("notes", "");
    });
    assert_kept(&env, "onenone");
}

#[test]
fn a_workspace_in_shared_memory_is_built_as_any_other() {
    let Ok(memory) = tempfile::tempdir_in("/dev/shm") else {
        return;
    };
    let project = Utf8PathBuf::from_path_buf(memory.path().join("project")).unwrap();
    let env = TestEnv::new();
    shell_that_finds(&project, "cat data; test -e more && echo ' more'");
    files::write(&project.join("data"), "one");
    assert_eq!(build_and_run(&env, &project), "one");
    files::write(&project.join("data"), "two");
    assert_eq!(build_and_run(&env, &project), "two");
    files::write(&project.join("more"), "");
    assert_eq!(build_and_run(&env, &project), "two more");
}

#[test]
fn what_is_opened_through_a_process_is_found() {
    assert_data_is_found(&[
        "cat /proc/self/root$PWD/data",
        "cat /proc/self/cwd/data",
        "cat /proc/$$/cwd/data",
    ]);
}

#[test]
fn what_is_opened_through_a_descriptor_is_found() {
    assert_data_is_found(&[
        "exec 3<.; cat /proc/self/fd/3/data",
        "cat /dev/fd/3 3<data",
        "cat /dev/stdin <data",
    ]);
}

/// Each script finds what `data` holds.
fn assert_data_is_found(finds: &[&str]) {
    for find in finds {
        let env = TestEnv::new();
        shell_that_finds(&env.project(), find);
        env.write("data", "one");
        assert_eq!(build_and_run(&env, &env.project()), "one", "{find}");
        env.write("data", "two");
        assert_eq!(build_and_run(&env, &env.project()), "two", "{find}");
        env.write("data", "one");
        assert_shared(&env, &env.project(), "one");
    }
}

#[test]
fn what_the_kernel_makes_up_is_never_stored_and_harmless_files_are() {
    let env = TestEnv::new();
    shell_that_finds(
        &env.project(),
        "cat /dev/null /proc/meminfo /proc/cpuinfo >/dev/null; head -c 1 /dev/urandom >/dev/null; echo found",
    );
    assert_eq!(build_and_run(&env, &env.project()), "found");
    let other = env.checkout("elsewhere");
    assert_shared(&env, &other, "found");
    let env = TestEnv::new();
    shell_that_finds(&env.project(), "cat /proc/modules >/dev/null; echo found");
    build_and_run(&env, &env.project());
    let other = env.checkout("elsewhere");
    assert!(env.build_in(&other, &[]).ran > 0);
}

/// Puts `name` into `directory`, a program that says its name and goes on as `next`.
fn wrapper(directory: &Utf8Path, name: &str, next: &str) {
    files::write(&directory.join(name), &format!("#!/bin/sh\n{next}\n"));
    set_mode(&directory.join(name), 0o755);
}

#[test]
fn a_program_that_appears_earlier_on_the_path_is_used() {
    let path = std::env::var("PATH").unwrap();
    // By a script, by a script's wrapper, and by the linker that rustc starts, which is a wrapper too.
    let env = TestEnv::new();
    let [first, second] = ["first", "second"].map(|name| env.root().join("path").join(name));
    std::fs::create_dir_all(&first).unwrap();
    wrapper(&second, "tool", "helper");
    wrapper(&second, "helper", "echo second");
    wrapper(&second, "linker", "exec cc \"$@\"");
    shell_that_finds(&env.project(), "tool");
    env.write(".cargo/config.toml", "[target.'cfg(all())']\nlinker = \"linker\"\n");
    let build = || {
        let outcome = env
            .vx(["build"])
            .env("PATH", format!("{first}:{second}:{path}"))
            .run()
            .success();
        (outcome.counts().ran, env.run_program("debug/app").trim_end().to_owned())
    };
    assert_eq!(build().1, "second");
    assert_eq!(build(), (0, "second".to_owned()));
    wrapper(&first, "helper", "echo first");
    assert_eq!(build().1, "first");
    std::fs::remove_file(first.join("helper")).unwrap();
    assert_eq!(build(), (0, "second".to_owned()));
    // The wrapper of the linker finds another compiler, which leaves a trace.
    let trace = env.root().join("trace");
    let cc = which(&path, "cc");
    wrapper(&first, "cc", &format!("echo >>{trace}; exec {cc} \"$@\""));
    assert!(build().0 > 0);
    assert!(trace.exists());
}

fn which(path: &str, name: &str) -> String {
    let mut candidates = path.split(':').map(|directory| format!("{directory}/{name}"));
    candidates.find(|candidate| Utf8Path::new(candidate).is_file()).unwrap()
}

#[test]
fn a_file_that_a_script_changes_through_a_mapping_is_changed_in_every_checkout() {
    let env = TestEnv::new();
    package(
        &env.project(),
        r#"
        use std::os::fd::AsRawFd;
        unsafe extern "C" { fn mmap(a: *mut u8, l: usize, p: i32, f: i32, d: i32, o: i64) -> *mut u8; }
        let file = std::fs::File::options().read(true).write(true).open("mapped").unwrap();
        unsafe { *mmap(std::ptr::null_mut(), 4, 3, 1, file.as_raw_fd(), 0) = b'X' };
        "#,
        "println!(\"{}\", include_str!(\"../mapped\"));",
    );
    env.write("mapped", "text");
    let other = env.checkout("elsewhere");
    assert_eq!(build_and_run(&env, &env.project()), "Xext");
    assert_eq!(build_and_run(&env, &other), "Xext");
}

#[test]
fn a_script_that_takes_a_lock_is_shared() {
    let env = TestEnv::new();
    script_that_finds(
        &env.project(),
        "let lock = std::fs::File::options().read(true).write(true).open(\"lock\").unwrap(); lock.lock().unwrap(); String::from(\"locked\")",
    );
    env.write("lock", "");
    assert_eq!(build_and_run(&env, &env.project()), "locked");
    let other = env.checkout("elsewhere");
    assert_shared(&env, &other, "locked");
}

#[test]
fn a_script_that_asks_cargo_about_its_workspace_is_shared() {
    let env = TestEnv::new();
    script_that_finds(
        &env.project(),
        "let output = std::process::Command::new(std::env::var(\"CARGO\").unwrap()).args([\"metadata\", \"--format-version=1\", \"--offline\"]).output().unwrap();
         assert!(output.status.success(), \"{}\", String::from_utf8_lossy(&output.stderr));
         String::from_utf8(output.stdout).unwrap().matches(\"\\\"name\\\":\\\"app\\\"\").count().to_string()",
    );
    let found = build_and_run(&env, &env.project());
    let other = env.checkout("elsewhere");
    assert_shared(&env, &other, &found);
    assert_shared(&env, &env.project(), &found);
}
