//! Any bytes as a spool.

use super::*;

#[test]
fn a_spool_is_read_whatever_is_in_it() {
    bolero::check!().for_each(|input: &[u8]| {
        let contents = read(input, "boot");
        assert!(contents.rubbish <= input.len());
        // What was found is where it is said to be.
        for (attempt, place) in &contents.places {
            let at = |end: u64| usize::try_from(end).expect("an offset");
            let again = read(&input[at(place.start)..at(place.end)], "boot");
            assert_eq!(again.results.iter().map(|found| found.attempt).collect::<Vec<_>>(), [*attempt]);
        }
    });
}

#[test]
fn a_good_record_survives_whatever_surrounds_it() {
    let good = acknowledged(&[]);
    bolero::check!().for_each(|input: &[u8]| {
        let (before, after) = input.split_at(input.len() / 2);
        let contents = read(&[before, &good, after].concat(), "boot");
        assert!(contents.rubbish <= input.len(), "the record counts as rubbish");
    });
}
