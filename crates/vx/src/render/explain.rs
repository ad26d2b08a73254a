//! The answer to `vx explain`: what ran in the last build, and which input made it run.

use std::fmt::Write as _;

use vx_proto::{Explanation, Outcome, UnitKey};

use super::Verbosity;
use super::build::package;

/// The explanations as text: a line for each unit that ran (for every unit if verbose) with its reasons below, then the
/// count.
pub(crate) fn explanations(explanations: &[Explanation], verbosity: Verbosity) -> String {
    let mut text = String::new();
    for explanation in explanations {
        if explanation.outcome == Outcome::Ran || verbosity == Verbosity::Verbose {
            push_unit(&mut text, explanation);
        }
    }
    let count = |outcome| explanations.iter().filter(|one| one.outcome == outcome).count();
    let (ran, cached, fresh) = (count(Outcome::Ran), count(Outcome::Cached), count(Outcome::Fresh));
    let _ = writeln!(text, "{ran} ran, {cached} cached, {fresh} fresh");
    text
}

fn push_unit(text: &mut String, explanation: &Explanation) {
    let verb = match explanation.outcome {
        Outcome::Ran => "ran",
        Outcome::Cached => "cached",
        Outcome::Fresh => "fresh",
    };
    let _ = writeln!(
        text,
        "{verb} {}: {}",
        package(&explanation.label),
        explanation.label.target
    );
    for reason in &explanation.reasons {
        let _ = writeln!(text, "    {reason}");
    }
}

/// Keys as text: for each unit a line with its name, then `label = value` for each part, to be compared with `diff`.
pub(crate) fn unit_keys(keys: &[UnitKey]) -> String {
    let one_line = |text: &str| text.replace('\\', "\\\\").replace('\n', "\\n");
    let mut text = String::new();
    for key in keys {
        text += &format!("unit = {}\n", one_line(&key.unit));
        for part in &key.parts {
            text += &format!("{} = {}\n", one_line(&part.label), one_line(&part.value));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use vx_model::KeyPart;
    use vx_proto::UnitLabel;

    fn unit(package: &str, outcome: Outcome, reasons: &[&str]) -> Explanation {
        let label = UnitLabel {
            package: package.to_owned(),
            version: "0.1.0".to_owned(),
            directory: None,
            target: package.to_owned(),
        };
        let reasons = reasons.iter().map(ToString::to_string).collect();
        Explanation {
            label,
            outcome,
            reasons,
        }
    }

    #[test]
    fn units_that_ran_are_told_with_their_reasons_and_the_others_only_when_asked() {
        let all = [
            unit("app", Outcome::Ran, &["file src/main.rs has changed"]),
            unit("dep", Outcome::Fresh, &[]),
        ];
        let expected = "ran app v0.1.0: app\n    file src/main.rs has changed\n1 ran, 0 cached, 1 fresh\n";
        assert_eq!(explanations(&all, Verbosity::Normal), expected);
        assert!(explanations(&all, Verbosity::Verbose).contains("fresh dep v0.1.0: dep\n"));
    }

    #[test]
    fn a_key_has_a_line_for_each_part() {
        let key = UnitKey {
            unit: "a 0.1.0 lib a host Compile(Build)".to_owned(),
            parts: vec![
                KeyPart::new("argument", "-C\nx"),
                KeyPart::new("file src/lib.rs", "absent"),
            ],
        };
        let expected = "unit = a 0.1.0 lib a host Compile(Build)\nargument = -C\\nx\nfile src/lib.rs = absent\n";
        assert_eq!(unit_keys(&[key]), expected);
    }
}
