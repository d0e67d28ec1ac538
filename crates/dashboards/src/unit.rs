//! What a number is, in Grafana's ids of units.

/// The unit of a panel or a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A number of whole things.
    Count,
    /// Seconds, shown as the nearest larger unit.
    Seconds,
    /// 0 to 1, shown as 0 % to 100 %.
    Share,
    /// Bytes, in powers of 1024.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// Tasks a second.
    TasksPerSecond,
    /// Anything else a second.
    PerSecond,
    /// Seconds of processor time a second.
    Cores,
    /// How many times as fast as the budget allows.
    Times,
    /// Words, not numbers.
    Text,
}

impl Unit {
    /// Grafana's id.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Count => "short",
            Self::Seconds => "s",
            Self::Share => "percentunit",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "Bps",
            Self::TasksPerSecond => "suffix:tasks/s",
            Self::PerSecond => "suffix:/s",
            Self::Cores => "suffix:cores",
            Self::Times => "suffix:×",
            Self::Text => "string",
        }
    }
}
