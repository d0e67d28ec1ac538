//! Reading survives anything; what was whole comes back.

use distrack_core::{Outcome, Output, TaskId};
use proptest::prelude::*;

use super::*;

fn spooled(epoch: i64) -> Spooled {
    let attempt = AttemptRef { task: TaskId::new(), epoch };
    let finished = convert::finished(Outcome::success(), Output::default(), None, std::time::Duration::ZERO);
    Spooled { attempt, ended: Moment::now(), finished, trace: Some(TraceContext::root()) }
}

#[derive(Clone, Debug)]
enum Step {
    Keep,
    Acknowledge(prop::sample::Index),
    Rubbish(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Keep),
        2 => any::<prop::sample::Index>().prop_map(Step::Acknowledge),
        1 => prop::collection::vec(any::<u8>(), 1..80).prop_map(Step::Rubbish),
        1 => Just(Step::Rubbish(MAGIC.to_vec())),
    ]
}

proptest! {
    #[test]
    fn nothing_that_is_read_panics(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        read(&bytes, "boot");
    }

    #[test]
    fn what_was_kept_and_not_acknowledged_comes_back_in_order_whatever_lies_between_and_behind(
        steps in prop::collection::vec(step(), 0..40),
        torn in any::<prop::sample::Index>(),
    ) {
        let mut file = Vec::new();
        let mut expected: Vec<Spooled> = Vec::new();
        for step in steps {
            match step {
                Step::Keep => {
                    let kept = spooled(i64::try_from(file.len()).unwrap() + 1);
                    file.extend(result(&kept, "boot"));
                    expected.push(kept);
                }
                Step::Acknowledge(which) if !expected.is_empty() => {
                    let gone = expected.remove(which.index(expected.len()));
                    file.extend(acknowledged(&[gone.attempt]));
                }
                Step::Acknowledge(_) => {}
                Step::Rubbish(bytes) => file.extend(bytes),
            }
        }
        let tail = result(&spooled(1), "boot");
        file.extend(&tail[..torn.index(tail.len())]);
        prop_assert_eq!(read(&file, "boot").results, expected);
    }

    #[test]
    fn a_flipped_bit_costs_at_most_its_own_record(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let kept = [spooled(1), spooled(2), spooled(3)];
        let mut file: Vec<u8> = kept.iter().flat_map(|kept| result(kept, "boot")).collect();
        let at = at.index(file.len());
        file[at] ^= 1 << bit;
        let contents = read(&file, "boot");
        prop_assert_eq!(contents.results.len(), 2);
        prop_assert!(contents.results.iter().all(|found| kept.contains(found)));
        prop_assert!(contents.rubbish > 0);
    }
}

#[test]
fn a_result_of_another_boot_is_placed_by_the_wall_clock() {
    let kept = spooled(1);
    let contents = read(&result(&kept, "this boot"), "next boot");
    assert!(Moment::now().since(contents.results[0].ended) < std::time::Duration::from_secs(5));
}
