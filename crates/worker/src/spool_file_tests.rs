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

/// Three results, the second of which was acknowledged, and where each record begins.
fn small() -> ([Spooled; 3], Vec<u8>, [usize; 4]) {
    let kept = [spooled(1), spooled(2), spooled(3)];
    let [first, second, third] = [0, 1, 2].map(|at| result(&kept[at], "boot"));
    let gone = acknowledged(&[kept[1].attempt]);
    let starts = [0, first.len(), first.len() + second.len(), first.len() + second.len() + gone.len()];
    (kept, [first, second, gone, third].concat(), starts)
}

#[test]
fn wherever_the_file_ends_each_record_before_counts() {
    let (kept, file, starts) = small();
    for end in 0..file.len() {
        let contents = read(&file[..end], "boot");
        let mut expected = Vec::new();
        for (at, spooled) in [(1, 0), (2, 1)] {
            expected.extend((end >= starts[at]).then(|| kept[spooled].clone()));
        }
        if end >= starts[3] {
            expected.pop();
        }
        let whole = starts.iter().rfind(|start| **start <= end).unwrap();
        assert_eq!(contents.results, expected, "cut at {end}");
        assert_eq!((contents.rubbish, contents.torn), (end - whole, end - whole), "cut at {end}");
    }
}

#[test]
fn whichever_byte_is_spoilt_each_other_record_counts() {
    let (kept, file, starts) = small();
    for at in 0..file.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut spoilt = file.clone();
            spoilt[at] ^= flip;
            let contents = read(&spoilt, "boot");
            let hit = starts.iter().rposition(|start| *start <= at).unwrap();
            let expected: Vec<_> = [(0, 0), (3, 2)]
                .into_iter()
                .chain((hit == 2).then_some((2, 1)))
                .filter(|(record, _)| *record != hit || hit == 2)
                .map(|(_, spooled)| kept[spooled].clone())
                .collect();
            let found = |spooled: &Spooled| contents.results.contains(spooled);
            assert_eq!(contents.results.len(), expected.len(), "byte {at} ^ {flip}");
            assert!(expected.iter().all(found), "byte {at} ^ {flip}");
            assert!(contents.rubbish > 0, "byte {at} ^ {flip}");
        }
    }
}

#[test]
fn a_length_beyond_all_bounds_is_rubbish_and_hides_nothing_behind_it() {
    let kept = spooled(1);
    for length in [u32::MAX, u32::MAX / 2, u32::try_from(MAX_RECORD).unwrap() + 1] {
        let mut file = [&MAGIC[..], &length.to_le_bytes(), &[0; 40][..]].concat();
        file.extend(result(&kept, "boot"));
        let contents = read(&file, "boot");
        assert_eq!((contents.results, contents.rubbish, contents.torn), (vec![kept.clone()], 48, 0));
    }
}
