//! Every pair of steps, statement by statement: whatever the order, it is as if one had come after the other.
//!
//! Two stores work on one database, each stopped by a gate before or after any one of its statements that change
//! something: before, its snapshot is taken and no row is locked; after, its rows are locked and nothing is committed.
//! Whoever is let go first goes as far as the other one's locks permit. What the two steps answered and left behind must
//! then be what one of the two orders gives without interleaving, or what one of them gives when the other, which skips
//! what is locked, found nothing. Nothing may deadlock.
//!
//! A sweep is three transactions, and what is locked waits for the next one. Steps that may come between them, a cancel,
//! a restart, another sweep, and a worker that leaves, are therefore judged after one more sweep: then the task is what
//! one order makes of it, the session what one makes of it, and the end of the attempt was told as often.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod gates;
mod pairs;

use gates::{Gated, Gates};
use pairs::{After, Made, Op, World};

/// Steps that skip what another one has locked: they come again.
fn skips(op: Op) -> bool {
    matches!(op, Op::Claim | Op::Sweep | Op::Expire | Op::Prune)
}

/// What one step and then the other leave behind, without gates.
async fn in_turn(gates: &Gates, world: World, first: Op, second: Option<Op>, swap: bool) -> After {
    let made = world.make(&gates.plain).await;
    let one = first.run(&gates.plain, &made).await;
    let two = match second {
        Some(second) => second.run(&gates.plain, &made).await,
        None => String::new(),
    };
    let answers = if swap { (two, one) } else { (one, two) };
    After { answers, left: made.left(&gates.plain).await }
}

/// A step that comes between the transactions of a sweep, or before or after it.
async fn as_if_swept_again(op: Op) {
    let gates = Box::pin(Gates::set()).await;
    let settled = async |made: Made, answers: (String, String)| {
        let last = Op::Sweep.run(&gates.plain, &made).await;
        let told = op.told(&answers.0) + Op::Sweep.told(&answers.1) + Op::Sweep.told(&last);
        let left = made.left(&gates.plain).await;
        let (task, session) = left.split_once(" sessions ").unwrap();
        (task.to_owned(), session.to_owned(), told)
    };
    let mut orders = Vec::new();
    for op_first in [true, false] {
        let made = World::Silent.make(&gates.plain).await;
        let answers = if op_first {
            let one = op.run(&gates.plain, &made).await;
            (one, Op::Sweep.run(&gates.plain, &made).await)
        } else {
            let two = Op::Sweep.run(&gates.plain, &made).await;
            (op.run(&gates.plain, &made).await, two)
        };
        orders.push(settled(made, answers).await);
    }
    let rounds = interleave(&gates, World::Silent, op, Op::Sweep, async |made, answers, place| {
        let (task, session, told) = settled(made, answers).await;
        let good = orders.iter().any(|order| order.0 == task)
            && orders.iter().any(|order| order.1 == session)
            && orders.iter().any(|order| order.2 == told);
        assert!(good, "{op:?} and a sweep, {place}\nleft {task}, {session}, {told} told\nin turn {orders:?}");
    })
    .await;
    assert!(rounds > 2, "at least one of the two was stopped");
    assert_eq!(gates.deadlocks().await, 0, "{op:?} and a sweep deadlock");
}

async fn as_if_in_turn(world: World, a: Op, b: Op) {
    let gates = Box::pin(Gates::set()).await;
    let ab = in_turn(&gates, world, a, Some(b), false).await;
    let ba = in_turn(&gates, world, b, Some(a), true).await;
    let only_a = in_turn(&gates, world, a, None, false).await;
    let only_b = in_turn(&gates, world, b, None, true).await;
    let rounds = interleave(&gates, world, a, b, async |made, answers, place| {
        let after = After { answers, left: made.left(&gates.plain).await };
        let empty = skips(b) && after.left == only_a.left && after.answers.0 == only_a.answers.0
            || skips(a) && after.left == only_b.left && after.answers.1 == only_b.answers.1;
        assert!(
            after == ab || after == ba || empty,
            "{world:?}: {a:?} and {b:?}, {place}\n\
             left {after:?}\nA then B gives {ab:?}\nB then A gives {ba:?}"
        );
    })
    .await;
    assert!(rounds > 2, "at least one of the two was stopped");
    assert_eq!(gates.deadlocks().await, 0, "{a:?} and {b:?} deadlock");
}

/// Takes both steps in every order of their statements and judges each; how many there were.
async fn interleave(
    gates: &Gates,
    world: World,
    a: Op,
    b: Op,
    judge: impl AsyncFn(Made, (String, String), String),
) -> u32 {
    let mut rounds = 0;
    for first in 1.. {
        let mut stopped = (false, false);
        for second in 1.. {
            stopped = (false, false);
            for a_goes_first in [true, false] {
                let made = world.make(&gates.plain).await;
                gates.close(first, second).await;
                let (one, two) = (gates.first.clone(), gates.second.clone());
                let (in_one, in_two) = (made.clone(), made.clone());
                let mut one = Gated::start(gates, 1, async move { a.run(&one, &in_one).await }).await;
                let mut two = Gated::start(gates, 2, async move { b.run(&two, &in_two).await }).await;
                stopped = (one.stopped || stopped.0, two.stopped || stopped.1);
                let (sooner, later) = if a_goes_first { (1, 2) } else { (2, 1) };
                gates.open(sooner).await;
                gates.settle(&mut one, &mut two, sooner).await;
                gates.open(later).await;
                let answers = (one.answer().await, two.answer().await);
                let place = format!("stopped at {first} and {second}, the first goes first: {a_goes_first}");
                judge(made, answers, place).await;
                rounds += 1;
            }
            if !stopped.1 {
                break;
            }
        }
        if !stopped.0 {
            break;
        }
    }
    rounds
}

macro_rules! pairs {
    ($($name:ident: $world:ident, $a:ident, $b:ident;)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                as_if_in_turn(World::$world, Op::$a, Op::$b).await;
            }
        )+
    };
}

pairs! {
    submit_and_submit_with_one_key: Pending, Submit, Submit;
    claim_and_claim: Pending, Claim, Claim;
    claim_and_cancel: Pending, Claim, Cancel;
    claim_and_expire: Overdue, Claim, Expire;
    claim_and_registration: Pending, Claim, Register;
    claim_and_renewal: Pending, Claim, Renew;
    claim_and_deregistration: Pending, Claim, Deregister;
    cancel_and_cancel: Pending, Cancel, Cancel;
    cancel_and_expire: Overdue, Cancel, Expire;
    release_and_report: Held, Release, Succeed;
    release_and_start: Held, Release, Start;
    release_and_cancel: Held, Release, Cancel;
    release_and_release: Held, Release, Release;
    report_and_the_same_report: Held, Succeed, Succeed;
    report_and_another_outcome: Held, Succeed, Fail;
    start_and_result: Held, Start, Succeed;
    report_and_cancel: Held, Succeed, Cancel;
    failure_and_cancel: Held, Fail, Cancel;
    report_and_sweep: Silent, Succeed, Sweep;
    report_and_registration_that_holds_it: Held, Succeed, RegisterHolding;
    report_and_registration_that_does_not_hold_it: Held, Fail, Register;
    restart_and_report: Held, Restart, Succeed;
    renewal_and_sweep: Silent, Renew, Sweep;
    renewal_and_registration: Held, Renew, Register;
    renewal_and_report: Held, Renew, Succeed;
    deregistration_and_report: Held, Deregister, Succeed;
    deregistration_and_registration: Held, Deregister, Register;
    older_report_and_newer_report: HeldAgain, OldReport, Succeed;
    older_report_and_claim: FailedOnce, OldReport, Claim;
    prune_and_report: Ended, Prune, Succeed;
    prune_and_cancel: Ended, Prune, Cancel;
    prune_and_prune: Ended, Prune, Prune;
}

macro_rules! with_a_sweep {
    ($($name:ident: $op:ident;)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                as_if_swept_again(Op::$op).await;
            }
        )+
    };
}

with_a_sweep! {
    cancel_and_sweep: Cancel;
    deregistration_and_sweep: Deregister;
    restart_and_sweep: Restart;
    sweep_and_sweep: Sweep;
}
