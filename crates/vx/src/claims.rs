//! Tests that compare what the pages of the project say about the command line with what it accepts: commands, options
//! and exit codes, the supported ones and those that are said to be missing. Environment variables are compared in `xtask`.

use std::collections::BTreeSet;

use clap::{Command, CommandFactory as _, Parser as _};
use vx_proto::ErrorKind;

use crate::cli::{Cli, EXIT_CODES};
use crate::error::code;

const README: &str = include_str!("../../../README.md");
const NOT_YET: &str = include_str!("../../../docs/not-yet.md");

/// Pages that say what vx does, without the parts that say what it does not do.
fn supported() -> Vec<&'static str> {
    let (before, unsupported) = README
        .split_once("## Not supported yet")
        .expect("the README has this section");
    let after = unsupported
        .split_once("\n## ")
        .map(|(_, after)| after)
        .unwrap_or_default();
    let (_, general) = NOT_YET.split_once("In general:").expect("the page has this part");
    vec![
        before,
        after,
        general,
        include_str!("../../../CONTRIBUTING.md"),
        include_str!("../../../SECURITY.md"),
        include_str!("../../../docs/debugging-a-wrong-hit.md"),
    ]
}

/// What is said to be missing: commands and options, as a user would type them.
fn unsupported() -> Vec<String> {
    let (_, section) = README
        .split_once("## Not supported yet")
        .expect("the README has this section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = NOT_YET.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    let mut claims = Vec::new();
    for text in cells.chain(section.lines()) {
        let names_commands = text.contains("`cargo ") || text.contains("`vx ");
        let is_claim = |code: &&str| {
            code.starts_with(['-'])
                || code.starts_with("cargo ")
                || code.starts_with("vx ")
                || names_commands && code.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-')
        };
        claims.extend(in_backticks(text).filter(is_claim).map(str::to_owned));
    }
    claims
}

fn in_backticks(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The command line with everything that clap adds to it.
fn definition() -> Command {
    let mut command = Cli::command();
    command.build();
    command
}

/// Every command that help shows, with subcommands in place of their parent: `build`, `toolchain list`.
fn commands() -> BTreeSet<String> {
    let definition = definition();
    let visible = definition.get_subcommands().filter(|command| !command.is_hide_set());
    visible
        .flat_map(|command| {
            let below = command.get_subcommands().filter(|below| below.get_name() != "help");
            let below: Vec<String> = below
                .map(|below| format!("{} {}", command.get_name(), below.get_name()))
                .collect();
            match below.is_empty() {
                true => vec![command.get_name().to_owned()],
                false => below,
            }
        })
        .collect()
}

/// Whether vx accepts what a page shows: `vx test --nextest`, `cargo fix`, `--message-format short`. A bare option is
/// accepted if any command has it.
fn is_accepted(claim: &str) -> bool {
    let words: Vec<&str> = claim.split_whitespace().take_while(|word| *word != "--").collect();
    let words = match words.as_slice() {
        ["vx" | "cargo", rest @ ..] => rest,
        words => words,
    };
    let definition = definition();
    match words {
        [option, value @ ..] if option.starts_with('-') => {
            let value = value.first().copied();
            let mut commands = std::iter::once(&definition).chain(definition.get_subcommands());
            commands.any(|command| has_option(command, option, value))
        }
        [name, rest @ ..] => definition.find_subcommand(name).is_some_and(|command| {
            let below = rest.first().and_then(|below| command.find_subcommand(below));
            let mut options = rest.iter().filter(|word| word.starts_with('-'));
            options.all(|option| has_option(below.unwrap_or(command), option, None))
        }),
        [] => true,
    }
}

fn has_option(command: &Command, option: &str, value: Option<&str>) -> bool {
    let (option, value) = match option.split_once('=') {
        Some((option, value)) => (option, Some(value)),
        None => (option, value),
    };
    if ["--help", "-h", "--version", "-V"].contains(&option) {
        return true;
    }
    let mut options = command.get_arguments().filter(|argument| {
        let long = argument.get_long().map(|long| format!("--{long}"));
        let short = argument.get_short().map(|short| format!("-{short}"));
        long.as_deref() == Some(option) || short.as_deref() == Some(option)
    });
    options.any(|argument| {
        let values = argument.get_possible_values();
        value.is_none_or(|value| values.is_empty() || values.iter().any(|possible| possible.matches(value, false)))
    })
}

#[test]
fn the_readme_lists_exactly_the_commands_of_the_help() {
    let mut listed = BTreeSet::new();
    for row in README.lines().filter(|line| line.starts_with("| `vx ")) {
        let cell = row.split('|').nth(1).unwrap();
        let mut parent = "";
        for code in in_backticks(cell) {
            let name = code.strip_prefix("vx ");
            if let Some((above, _)) = name.and_then(|name| name.split_once(' ')) {
                parent = above;
            }
            let name = name.map_or_else(|| format!("{parent} {code}"), str::to_owned);
            assert!(listed.insert(name), "`{code}` is listed twice");
        }
    }
    assert_eq!(listed, commands());
}

#[test]
fn what_is_said_to_be_supported_is_accepted() {
    let mut count = 0;
    for page in supported() {
        let blocks = page.lines().filter_map(|line| line.strip_prefix("    "));
        for claim in in_backticks(page).chain(blocks) {
            let is_ours = claim.starts_with("vx ") && !claim.starts_with("vx +") || claim.starts_with("--");
            if is_ours && !claim.contains("xtask") {
                assert!(is_accepted(claim), "the pages show `{claim}`, which vx does not accept");
                count += 1;
            }
        }
    }
    assert!(count > 20, "the claims were not found");
}

#[test]
fn what_is_said_to_be_missing_is_refused() {
    let claims = unsupported();
    for claim in &claims {
        assert!(!is_accepted(claim), "the pages say that vx has no `{claim}`");
    }
    for claim in [
        "cargo doc --open",
        "update",
        "--timings",
        "--message-format short",
        "-Z",
    ] {
        assert!(claims.iter().any(|found| found == claim), "`{claim}` was not found");
    }
}

#[test]
fn settings_for_editors_are_accepted() {
    let mut count = 0;
    for line in README.lines() {
        let Some(start) = line.find("[\"vx\"") else { continue };
        let arguments: Vec<String> = serde_json::from_str(line[start..].trim_end_matches(',')).unwrap();
        Cli::try_parse_from(&arguments).unwrap();
        count += 1;
    }
    assert_eq!(count, 2);
}

#[test]
fn the_readme_and_the_help_list_the_same_exit_codes() {
    let is_code = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
    let help = EXIT_CODES.lines().map(str::trim).filter(|line| is_code(line));
    let help: Vec<String> = help
        .filter_map(|line| line.split_once("  "))
        .map(|(code, meaning)| format!("| {code} | {} |", meaning.trim()))
        .collect();
    let readme = README
        .lines()
        .filter(|line| line.strip_prefix("| ").is_some_and(is_code));
    assert_eq!(readme.collect::<Vec<_>>(), help);
}

#[test]
fn every_exit_code_is_listed_and_no_other() {
    let kinds = [
        ErrorKind::Usage,
        ErrorKind::Unsupported,
        ErrorKind::Busy,
        ErrorKind::Download,
        ErrorKind::Unavailable,
        ErrorKind::Ending,
        ErrorKind::Machine,
        ErrorKind::Internal,
        ErrorKind::BuildFailed,
        ErrorKind::Cancelled,
    ];
    let used: BTreeSet<u8> = kinds.into_iter().map(code).chain([0]).collect();
    let listed = EXIT_CODES.lines().filter_map(|line| line.trim().split_once("  "));
    let listed: BTreeSet<u8> = listed.filter_map(|(code, _)| code.parse().ok()).collect();
    assert_eq!(listed, used);
}
