//! rustc's diagnostics: from its JSON lines to the output for a person or a program, as in Cargo.

use std::collections::HashMap;

use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::value::RawValue;
use vx_cargo::UnitIndex;
use vx_proto::BuildEvent;

/// The parts of rustc's message that decide how it is shown.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(rename = "$message_type")]
    kind: Option<&'a str>,
    #[serde(default)]
    message: std::borrow::Cow<'a, str>,
    #[serde(default)]
    level: std::borrow::Cow<'a, str>,
    rendered: Option<String>,
}

/// Counts and shows the diagnostics of one unit.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Warnings of rustc.
    pub(crate) warnings: u32,
    /// Warnings that another unit has already shown.
    pub(crate) duplicates: u32,
    /// Errors of rustc.
    pub(crate) errors: u32,
}

/// The audience of a unit's diagnostics.
#[derive(Debug)]
pub(crate) enum Audience<'a> {
    /// Programs: all of them, as Cargo's JSON messages.
    Programs(MessageFrame),
    /// People, who see the same diagnostic of several units once.
    People {
        /// The unit of the diagnostics.
        unit: UnitIndex,
        /// The diagnostics that were already shown.
        shown: &'a Shown,
    },
}

/// What a run has shown to people, and for which unit: for example, a library and its tests share many diagnostics.
#[derive(Debug, Default)]
pub(crate) struct Shown(Mutex<HashMap<String, UnitIndex>>);

impl Shown {
    /// Whether no other unit has shown it.
    fn is_first(&self, unit: UnitIndex, rendered: &str) -> bool {
        *self.0.lock().entry(rendered.to_owned()).or_insert(unit) == unit
    }
}

/// The unit in Cargo's JSON messages, without the message itself.
#[derive(Debug, Clone)]
pub(crate) struct MessageFrame {
    /// Cargo's package id.
    pub(crate) package_id: String,
    /// Absolute path of the manifest.
    pub(crate) manifest_path: String,
    /// Cargo's description of the target.
    pub(crate) target: serde_json::Value,
    /// Whether rustc's rendered text keeps its colors.
    pub(crate) keeps_colors: bool,
}

impl Counts {
    /// Turns one line of rustc's standard error into an event; `None` for lines that Cargo leaves out.
    pub(crate) fn show(&mut self, line: &[u8], audience: &Audience<'_>) -> Option<BuildEvent> {
        let text = String::from_utf8_lossy(line);
        let Ok(message) = serde_json::from_str::<Message<'_>>(&text) else {
            return (!text.is_empty()).then(|| BuildEvent::Diagnostic {
                rendered: format!("{text}\n"),
            });
        };
        if message.kind.is_some_and(|kind| kind != "diagnostic") || is_summary(&message.message) {
            return None;
        }
        let is_first = match (audience, &message.rendered) {
            (Audience::People { unit, shown }, Some(rendered)) => shown.is_first(*unit, rendered),
            _ => true,
        };
        match &*message.level {
            "warning" => {
                self.warnings += 1;
                self.duplicates += u32::from(!is_first);
            }
            level if level.starts_with("error") => self.errors += 1,
            _ => {}
        }
        match audience {
            Audience::Programs(frame) => Some(BuildEvent::Json(frame.compiler_message(&text))),
            Audience::People { .. } => message
                .rendered
                .filter(|_| is_first)
                .map(|rendered| BuildEvent::Diagnostic { rendered }),
        }
    }

    /// The line that Cargo writes after a unit with warnings; `None` without warnings.
    pub(crate) fn warning_summary(&self, unit: &str) -> Option<String> {
        let count = plural(self.warnings, "warning");
        let duplicates = match self.duplicates {
            0 => String::new(),
            duplicates => format!(" ({})", plural(duplicates, "duplicate")),
        };
        (self.warnings > 0).then(|| format!("warning: {unit} generated {count}{duplicates}"))
    }

    /// Cargo's message about a failed unit.
    pub(crate) fn failure_summary(&self, unit: &str) -> String {
        let mut text = format!("could not compile {unit}");
        if self.errors > 0 {
            text += &format!(" due to {}", plural(self.errors, "previous error"));
        }
        if self.warnings > 0 {
            text += &format!("; {} emitted", plural(self.warnings, "warning"));
        }
        text
    }
}

impl MessageFrame {
    fn compiler_message(&self, message: &str) -> String {
        let message = match self.keeps_colors {
            true => RawValue::from_string(message.to_owned()).ok(),
            false => without_colors(message),
        };
        let frame = serde_json::json!({
            "reason": "compiler-message",
            "package_id": self.package_id,
            "manifest_path": self.manifest_path,
            "target": self.target,
            "message": message,
        });
        frame.to_string()
    }
}

/// A message of rustc with plain text as its rendered form.
fn without_colors(message: &str) -> Option<Box<RawValue>> {
    let mut message: serde_json::Map<String, serde_json::Value> = serde_json::from_str(message).ok()?;
    if let Some(serde_json::Value::String(rendered)) = message.get_mut("rendered") {
        *rendered = anstream::adapter::strip_str(rendered).to_string();
    }
    serde_json::value::to_raw_value(&message).ok()
}

/// rustc's own count at the end, which Cargo replaces with its own.
fn is_summary(message: &str) -> bool {
    message.starts_with("aborting due to ")
        || message.ends_with("warning emitted")
        || message.ends_with("warnings emitted")
}

fn plural(count: u32, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(level: &str, message: &str) -> Vec<u8> {
        serde_json::json!({
            "$message_type": "diagnostic", "level": level, "message": message, "rendered": format!("{level}: {message}\n"),
        })
        .to_string()
        .into_bytes()
    }

    fn people(unit: UnitIndex, shown: &Shown) -> Audience<'_> {
        Audience::People { unit, shown }
    }

    #[test]
    fn diagnostics_are_shown_and_counted_and_summaries_are_left_out() {
        let (mut counts, shown) = (Counts::default(), Shown::default());
        let warning = counts.show(&line("warning", "unused variable: `x`"), &people(0, &shown));
        let rendered = "warning: unused variable: `x`\n".to_owned();
        assert_eq!(warning, Some(BuildEvent::Diagnostic { rendered }));
        assert_eq!(
            counts.show(&line("warning", "1 warning emitted"), &people(0, &shown)),
            None
        );
        assert_eq!((counts.warnings, counts.duplicates, counts.errors), (1, 0, 0));
        assert_eq!(
            counts.warning_summary("`a` (lib)").as_deref(),
            Some("warning: `a` (lib) generated 1 warning")
        );
    }

    #[test]
    fn what_another_unit_has_shown_is_only_counted() {
        let shown = Shown::default();
        let warning = line("warning", "unused variable: `x`");
        let first = || Counts::default().show(&warning, &people(0, &shown));
        assert!(first().is_some());
        let mut counts = Counts::default();
        assert_eq!(counts.show(&warning, &people(1, &shown)), None);
        assert_eq!(
            counts.warning_summary("`a` (lib test)").as_deref(),
            Some("warning: `a` (lib test) generated 1 warning (1 duplicate)")
        );
        assert!(first().is_some(), "it is still the first unit's");
    }

    #[test]
    fn failures_are_summarized_as_by_cargo() {
        let counts = Counts {
            warnings: 1,
            errors: 2,
            ..Counts::default()
        };
        assert_eq!(
            counts.failure_summary("`a` (bin \"a\")"),
            "could not compile `a` (bin \"a\") due to 2 previous errors; 1 warning emitted"
        );
    }

    #[test]
    fn what_is_not_json_is_shown_as_it_is() {
        let shown = Shown::default();
        for unit in [0, 1] {
            let event = Counts::default().show(b"thread 'rustc' panicked", &people(unit, &shown));
            let rendered = "thread 'rustc' panicked\n".to_owned();
            assert_eq!(event, Some(BuildEvent::Diagnostic { rendered }));
        }
    }
}
