//! Any arguments.

use super::*;

#[test]
fn arguments_are_a_plan_or_named_problems() {
    bolero::check!().for_each(|input: &[u8]| {
        let text = String::from_utf8_lossy(input);
        let arguments = std::iter::once("distrack").chain(text.split('\n')).map(OsString::from);
        match plan(arguments, Environment::default()) {
            Ok(_) | Err(Stop::Help(_)) => {}
            Err(Stop::Wrong { problems, help }) => {
                assert!(help.starts_with("distrack"));
                assert!(text.trim().is_empty() || !problems.is_empty());
            }
        }
    });
}
