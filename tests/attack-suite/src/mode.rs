//! The ways in which the steps of an attack are built. All have to give the same results.

/// How the steps are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// By cargo, each step in an empty target directory.
    Cargo,
    /// By vx, each step in an empty home.
    Clean,
    /// By vx in one home, by one daemon.
    Warm,
    /// By vx in one home, by a new daemon for each step.
    Restarted,
}

impl Mode {
    /// Those that are held against cargo, in the order in which they are tried.
    pub(crate) const OF_VX: [Self; 3] = [Self::Clean, Self::Warm, Self::Restarted];

    /// As it is called in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cargo => "cargo",
            Self::Clean => "empty home",
            Self::Warm => "warm daemon",
            Self::Restarted => "restarted daemon",
        }
    }
}
