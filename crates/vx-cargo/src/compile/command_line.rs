//! A command line that is being made.

use vx_model::Template;

/// The program and its arguments.
#[derive(Default)]
pub(super) struct CommandLine(Vec<Template>);

impl CommandLine {
    pub(super) fn push(&mut self, argument: impl Into<Template>) {
        self.0.push(argument.into());
    }

    pub(super) fn extend<T: Into<Template>>(&mut self, arguments: impl IntoIterator<Item = T>) {
        self.0.extend(arguments.into_iter().map(Into::into));
    }

    /// An option whose value is an argument of its own.
    pub(super) fn option(&mut self, name: &str, value: impl Into<Template>) {
        self.push(name);
        self.push(value);
    }

    /// An option of code generation.
    pub(super) fn codegen(&mut self, option: impl Into<Template>) {
        self.option("-C", option);
    }

    pub(super) fn into_arguments(self) -> Vec<Template> {
        self.0
    }
}
