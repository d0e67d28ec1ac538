use std::io::Write;

use super::layers::Given;
use super::problems::Origin;
use super::table::{Fallback, SETTINGS, find};
use super::*;

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn layers(flags: &[(&str, &str)], variables: &[(&str, &str)], problems: &mut Problems) -> Layers {
    let flags = flags.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect();
    Layers::new(flags, environment(variables), problems)
}

fn slots(layers: &Layers) -> Option<Given> {
    layers.value(find(Role::Worker, "slots").unwrap())
}

#[test]
fn a_flag_beats_a_variable_which_beats_the_file_which_beats_the_default() {
    let file = file("slots = 3\nheartbeat-interval = \"2s\"");
    let path = file.path().to_str().unwrap();
    let mut problems = Problems::default();
    let all = layers(&[("slots", "1"), ("config", path)], &[("DISTRACK_SLOTS", "2")], &mut problems);
    assert_eq!(slots(&all), Some(Given { items: vec!["1".into()], origin: Origin::Flag }));
    let two = layers(&[], &[("DISTRACK_SLOTS", "2"), ("DISTRACK_CONFIG", path)], &mut problems);
    let origin = Origin::Variable("DISTRACK_SLOTS".into());
    assert_eq!(slots(&two), Some(Given { items: vec!["2".into()], origin }));
    let one = layers(&[], &[("DISTRACK_SLOTS", ""), ("DISTRACK_CONFIG", path)], &mut problems);
    assert_eq!(slots(&one), Some(Given { items: vec!["3".into()], origin: Origin::File(path.into()) }));
    assert_eq!(slots(&layers(&[], &[], &mut problems)), None);
    let beat = one.value(find(Role::Coordinator, "heartbeat_interval").unwrap()).unwrap();
    assert_eq!(beat.items, ["2s"]);
    assert!(problems.is_empty(), "{problems}");
}

#[test]
fn every_setting_has_its_variables_and_a_default_that_can_be_read() {
    for setting in SETTINGS {
        for variable in setting.variables() {
            let mut problems = Problems::default();
            // No file is read, since `config` names none.
            let layers = layers(&[("config", "/dev/null")], &[(&variable, "x")], &mut problems);
            let given = layers.value(setting).unwrap();
            if setting.name != "config" {
                assert_eq!(given, Given { items: vec!["x".into()], origin: Origin::Variable(variable) });
            }
        }
        if let Fallback::Text(text) = setting.default {
            assert!(!text.is_empty(), "{}", setting.name);
        }
    }
    assert!(find(Role::Worker, "worker_address").unwrap().variables().contains(&"WORKER_ADDRESS".to_owned()));
}

#[test]
fn the_address_that_kubernetes_puts_into_a_port_variable_is_not_ours() {
    let mut problems = Problems::default();
    let layers = layers(&[], &[("DISTRACK_COORDINATOR_PORT", "tcp://10.0.0.1:8080")], &mut problems);
    let given = layers.value(find(Role::Coordinator, "coordinator_port").unwrap()).unwrap();
    assert_eq!(given.origin, Origin::Default);
}

#[test]
fn a_file_may_hold_settings_of_every_role_and_every_form() {
    let file = file(
        "scheduler_port = 8081\nqueues = [\"a\", \"b\"]\nlost_after = \"1m\"\n[labels]\ngpu = true\nzone = \"a\"\n",
    );
    let mut problems = Problems::default();
    let layers = layers(&[("config", file.path().to_str().unwrap())], &[], &mut problems);
    let items = |name| layers.value(find(Role::Up, name).unwrap()).unwrap().items;
    assert_eq!(items("scheduler_port"), ["8081"]);
    assert_eq!(items("queues"), ["a", "b"]);
    assert_eq!(items("labels"), ["gpu=true", "zone=a"]);
    assert!(problems.is_empty(), "{problems}");
}

#[test]
fn every_wrong_key_of_a_file_is_named() {
    let file = file("slotz = 3\nslots = [1, 2]\nworker_name = 2030-01-01\nconfig = \"x\"");
    let mut problems = Problems::default();
    layers(&[("config", file.path().to_str().unwrap())], &[], &mut problems);
    let said = problems.to_string();
    for part in ["4 problems", "slotz in ", "slots in ", "worker_name in ", "config in "] {
        assert!(said.contains(part), "{part} in: {said}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_and_its_text_is_not_shown() {
    let mut problems = Problems::default();
    layers(&[("config", "/no/such/file")], &[], &mut problems);
    assert!(problems.to_string().contains("--config=/no/such/file: cannot be read"), "{problems}");
    let file = file("slots = 1\ndatabase_url = \"postgres://me:secret@db\n");
    let mut problems = Problems::default();
    layers(&[("config", file.path().to_str().unwrap())], &[], &mut problems);
    let said = problems.to_string();
    assert!(said.contains("is not TOML: line 2") && !said.contains("secret"), "{said}");
}
