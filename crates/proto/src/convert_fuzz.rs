//! Any bytes as messages.

use prost::Message;

use super::*;

fn decoded<M: Message + Default>(input: &[u8], read: impl FnOnce(M)) {
    if let Ok(message) = M::decode(input) {
        read(message);
    }
}

#[test]
fn a_message_is_read_or_refused() {
    bolero::check!().for_each(|input: &[u8]| {
        decoded::<v1::DispatchRequest>(input, |message| {
            message
                .assignments
                .into_iter()
                .filter_map(|one| one.command)
                .for_each(|command| _ = task_spec(command));
        });
        decoded::<v1::ReportAttemptsRequest>(input, |message| message.items.iter().for_each(read));
        decoded::<v1::RegisterWorkerRequest>(input, |message| _ = attempt_refs(&message.held));
        decoded::<v1::Finished>(input, |finished| {
            // What is read says the same when it is written again.
            let (Ok(how), Ok(said)) = (outcome(&finished), output(&finished)) else { return };
            let again = super::finished(how.clone(), said.clone(), None, Duration::ZERO);
            assert_eq!(outcome(&again).expect("our own"), how);
            assert_eq!(output(&again).expect("our own"), said);
        });
    });
}

fn read(item: &v1::AttemptReport) {
    let _ = attempt_ref(item.attempt.as_ref());
    if let Some(v1::attempt_report::Event::Finished(finished)) = &item.event {
        let _ = (outcome(finished), output(finished));
    }
}
