//! Is the promise kept, and how much room is left? One section an objective, all from the recorded ratios of
//! `observability/prometheus/rules/slo.yml`.

use crate::alert::Alert;
use crate::dashboard::Dashboard;
use crate::link::Board;
use crate::panel::Panel;
use crate::query::Query;
use crate::threshold::{Colour, Thresholds};
use crate::unit::Unit;

/// How fast the budget may burn over an hour before somebody is woken: 2 % of it in that hour.
const FAST: f64 = 14.4;
/// The same over six hours: 5 % of it.
const SLOW: f64 = 6.0;

/// An objective, and how the dashboard calls its parts.
struct Objective {
    /// In the names of the recorded series.
    name: &'static str,
    heading: &'static str,
    /// The share that may fail.
    budget: &'static str,
    kept: Thresholds,
    titles: [&'static str; 4],
    says: &'static str,
    fast: Alert,
    slow: Alert,
    explained_by: Board,
}

pub(super) fn dashboard() -> Dashboard {
    let says = "Is the promise kept, and how much room is left? A burn of 1 spends the error budget in the 30 days that it is for.";
    objectives().into_iter().fold(Dashboard::new(Board::Slo, says), |dashboard, one| {
        dashboard.section(
            one.heading,
            8,
            [one.kept().wide(4), one.spent().wide(4), one.burn().wide(10), one.events().wide(6)],
        )
    })
}

fn objectives() -> [Objective; 3] {
    [
        Objective {
            name: "start_on_time",
            heading: "Started on time: 99 % of first attempts start within 1 s of scheduled_at",
            budget: "0.01",
            kept: Thresholds::red_below(0.99),
            titles: [
                "Started on time, 3 days",
                "Started on time: budget spent",
                "Started on time: burn",
                "Started on time: starts",
            ],
            says: "First attempts, a second, and tasks that expired; late are these, and those that started more than 1 s after scheduled_at.",
            fast: Alert::above("DistrackStartOnTimeBurnFast", FAST),
            slow: Alert::named("DistrackStartOnTimeBurnSlow"),
            explained_by: Board::Latency,
        },
        Objective {
            name: "accepted",
            heading: "Accepted: 99.9 % of submissions are answered, and without a 5xx",
            budget: "0.001",
            kept: Thresholds::red_below(0.999),
            titles: ["Accepted, 3 days", "Accepted: budget spent", "Accepted: burn", "Accepted: submissions"],
            says: "Submissions, a second, and those answered with a 5xx or given up by their client.",
            fast: Alert::above("DistrackAcceptedBurnFast", FAST),
            slow: Alert::named("DistrackAcceptedBurnSlow"),
            explained_by: Board::Internals,
        },
        Objective {
            name: "not_lost",
            heading: "Not lost: 99.99 % of attempts end without being lost with their worker",
            budget: "0.0001",
            kept: Thresholds::red_below(0.9999),
            titles: ["Not lost, 3 days", "Not lost: budget spent", "Not lost: burn", "Not lost: attempts"],
            says: "Attempts that ended, a second, and those lost with their worker.",
            fast: Alert::above("DistrackNotLostBurnFast", FAST),
            slow: Alert::named("DistrackNotLostBurnSlow"),
            explained_by: Board::Workers,
        },
    ]
}

const NOTHING: &str = "Nothing to judge in this time";

impl Objective {
    fn ratio(&self, window: &str) -> String {
        format!("distrack:slo_{}:error_ratio_rate{window}", self.name)
    }

    fn kept(&self) -> Panel {
        Panel::stat(self.titles[0], Unit::Share, "The share that was as promised, over 3 days.", NOTHING)
            .query(Query::series(format!("1 - {}", self.ratio("3d")), "kept"))
            .thresholds(self.kept.clone())
            .decimals(3)
            .leads_to(self.explained_by)
    }

    fn spent(&self) -> Panel {
        Panel::stat(
            self.titles[1],
            Unit::Share,
            "How much of the 30 days' error budget the last 3 days took, if every day has as many events. 10 % is just sustainable.",
            NOTHING,
        )
        .query(Query::series(format!("{} / {} * 3 / 30", self.ratio("3d"), self.budget), "spent"))
        .alert(self.slow)
        .thresholds(Thresholds::red_from(0.1))
        .decimals(1)
    }

    fn burn(&self) -> Panel {
        let burn = |window: &str| {
            Query::series(format!("{} / {}", self.ratio(window), self.budget), &format!("over {window}"))
        };
        Panel::lines(
            self.titles[2],
            Unit::Times,
            "How many times too fast the budget goes, over windows of different length. 14.4 over 1 h and 5 m, or 6 over 6 h and 30 m, wakes somebody; 1 over 3 d and 6 h is for a working day.",
            NOTHING,
        )
        .all(["5m", "30m", "1h", "6h", "3d"].map(burn))
        .alert(self.fast)
        .alert(self.slow)
        .thresholds(Thresholds::red_from(FAST).orange_from(SLOW).yellow_from(1.0))
        .leads_to(self.explained_by)
    }

    fn events(&self) -> Panel {
        Panel::lines(self.titles[3], Unit::PerSecond, self.says, "No recording rules")
            .query(Query::series(format!("distrack:slo_{}:events_rate5m", self.name), "all"))
            .query(Query::series(format!("distrack:slo_{}:errors_rate5m", self.name), "not as promised"))
            .leads_to(self.explained_by)
            .colour("all", Colour::Blue)
            .colour("not as promised", Colour::Red)
    }
}
