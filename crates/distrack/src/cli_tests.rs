use super::*;

const HOME: (&str, &str) = ("HOME", "/home/me");

/// The plan as text, or the problems.
fn planned(line: &str, variables: &[(&str, &str)]) -> Result<String, String> {
    let args = ["distrack"].into_iter().chain(line.split_whitespace()).map(OsString::from);
    let variables =
        variables.iter().chain([&HOME]).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    match plan(args, variables.collect()) {
        Ok(plan) => Ok(format!("{plan:?}")),
        Err(Stop::Wrong { problems, .. }) => Err(problems.to_string()),
        Err(Stop::Help(Help(help))) => Err(help.to_string()),
    }
}

fn help(name: &str) -> String {
    planned(&format!("{name} --help"), &[]).unwrap_err().split_whitespace().collect::<Vec<_>>().join(" ")
}

const DATABASE: (&str, &str) = ("DISTRACK_DATABASE_URL", "postgres://me:secret@db/tasks");

#[test]
fn the_flags_and_variables_that_people_already_use_work_as_they_are() {
    let worker = planned("worker --worker_port=:8000 --coordinator=localhost:8080", &[]).unwrap();
    assert!(worker.contains("port: 8000") && worker.contains("\"localhost:8080\""), "{worker}");
    let variables = [
        ("POSTGRES_DB", "d"),
        ("POSTGRES_USER", "u"),
        ("POSTGRES_PASSWORD", "secret"),
        ("POSTGRES_HOST", "h"),
    ];
    for line in ["coordinator --coordinator_port=:8080", "scheduler --scheduler_port=:8081", "migrate"] {
        let plan = planned(line, &variables).unwrap();
        assert!(plan.contains("postgres://u:***@h:5432/d"), "{plan}");
    }
    let worker = planned("worker", &[("WORKER_ADDRESS", "worker-7")]).unwrap();
    assert!(worker.contains("advertise_host: Some(\"worker-7\")"), "{worker}");
}

/// A role, a variable, a value, and what the plan then holds.
const VARIABLES: &[(&str, &str, &str, &str)] = &[
    ("scheduler", "DISTRACK_SCHEDULER_PORT", ":1", "port: 1"),
    ("scheduler", "DISTRACK_BIND", "127.0.0.2", "host: \"127.0.0.2\""),
    ("scheduler", "DISTRACK_AUTH", "tokens", "mode: Tokens"),
    ("scheduler", "DISTRACK_INSECURE_NO_AUTH", "true", "mode: Off"),
    ("scheduler", "DISTRACK_MAX_REQUESTS", "7", "max_requests: 7"),
    ("up", "DISTRACK_RATE_LIMIT", "7", "rate_limit: 7"),
    ("list", "DISTRACK_TOKEN_FILE", "/proc/sys/kernel/random/boot_id", "token: Some(Token(Sensitive))"),
    ("scheduler", "DISTRACK_ALLOWED_HOSTS", "a.lan,*", "[\"a.lan\", \"*\"]"),
    ("scheduler", "DISTRACK_JAEGER_URL", "http://j:1/", "jaeger_url: Some(\"http://j:1\")"),
    ("up", "DISTRACK_JAEGER_URL", "https://j", "jaeger_url: Some(\"https://j\")"),
    ("scheduler", "DISTRACK_DATABASE_URL", "postgres://x:y@z/n", "postgres://x:***@z/n"),
    ("coordinator", "DISTRACK_COORDINATOR_PORT", ":2", "port: 2"),
    ("coordinator", "DISTRACK_METRICS_PORT", "[::1]:3", "Listen { host: \"::1\", port: 3 }"),
    ("coordinator", "DISTRACK_HEARTBEAT_INTERVAL", "7s", "heartbeat_interval: 7s"),
    ("coordinator", "DISTRACK_LOST_AFTER", "70s", "lost_after: 70s"),
    ("coordinator", "DISTRACK_RETENTION", "1h", "retention: 3600s"),
    ("coordinator", "DISTRACK_AUDIT_RETENTION", "2h", "audit_retention: 7200s"),
    ("worker", "DISTRACK_WORKER_PORT", "4", "port: 4"),
    ("worker", "DISTRACK_METRICS_PORT", ":5", "port: 5"),
    ("worker", "DISTRACK_COORDINATOR", "a,b:1", "[\"a:8080\", \"b:1\"]"),
    ("worker", "DISTRACK_SLOTS", "6", "slots: 6"),
    ("worker", "DISTRACK_QUEUES", "q1,q2", "Some([QueueName(\"q1\"), QueueName(\"q2\")])"),
    ("worker", "DISTRACK_LABELS", "gpu=true", "{\"gpu\": \"true\"}"),
    ("worker", "DISTRACK_WORKER_NAME", "joe", "name: Some(\"joe\")"),
    ("worker", "DISTRACK_WORKER_ADDRESS", "host", "advertise_host: Some(\"host\")"),
    ("worker", "WORKER_ADDRESS", "host", "advertise_host: Some(\"host\")"),
    ("worker", "DISTRACK_OUTPUT_DIR", "/o", "output_dir: \"/o\""),
    ("worker", "DISTRACK_STATE_DIR", "/s", "Given(\"/s\")"),
    ("worker", "XDG_STATE_HOME", "/x", "Below(\"/x/distrack\")"),
    ("worker", "DISTRACK_DRAIN_TIMEOUT", "1m", "drain_timeout: 60s"),
    ("worker", "DISTRACK_ON_DISCONNECT", "stop", "on_disconnect: Stop"),
    ("worker", "DISTRACK_KILL_GRACE", "10ms", "kill_grace: 10ms"),
    ("worker", "DISTRACK_ISOLATION", "cgroup", "means: Cgroup"),
    ("worker", "DISTRACK_LIMIT_MEMORY", "1GiB", "memory: Some(1073741824)"),
    ("worker", "DISTRACK_LIMIT_PROCESSES", "77", "processes: Some(77)"),
    ("worker", "DISTRACK_LIMIT_FILE_SIZE", "10K", "file_size: Some(10240)"),
    ("worker", "DISTRACK_LIMIT_CPU_SECONDS", "9", "cpu_seconds: Some(9)"),
    ("worker", "DISTRACK_LIMIT_OPEN_FILES", "99", "open_files: Some(99)"),
    ("worker", "DISTRACK_RUN_AS", "joe:users", "run_as: Some(\"joe:users\")"),
    ("worker", "DISTRACK_NO_NEW_PRIVS", "false", "no_new_privs: false"),
    ("up", "DISTRACK_ALLOW_COMMAND", "/bin/a,/bin/b", "allow_command: [\"/bin/a\", \"/bin/b\"]"),
    ("worker", "DISTRACK_LOG", "debug", "filter: \"debug\""),
    ("worker", "RUST_LOG", "warn", "filter: \"warn\""),
    ("worker", "DISTRACK_LOG_FORMAT", "json", "format: Json"),
    ("up", "DISTRACK_DATA_DIR", "/d", "data_dir: \"/d\""),
    ("up", "XDG_DATA_HOME", "/x", "data_dir: \"/x/distrack\""),
    ("up", "DISTRACK_WORKERS", "8", "workers: 8"),
    ("up", "DISTRACK_METRICS_PORT", ":9", "metrics: Some(Listen { host: \"127.0.0.1\", port: 9 })"),
    ("scheduler", "DISTRACK_CANARY_INTERVAL", "7s", "interval: 7s"),
    ("scheduler", "DISTRACK_CANARY_QUEUE", "yellow", "yellow"),
    ("coordinator", "DISTRACK_TRACE_MODE", "link", "trace_policy: Always(Link)"),
    ("worker", "DISTRACK_TRACE_COMMAND", "true", "trace_command: true"),
    ("worker", "DISTRACK_INSECURE_NO_AUTH", "true", "is_open: true"),
    ("migrate", "DISTRACK_WAIT", "9s", "wait: 9s"),
    ("list", "DISTRACK_SERVER", "http://s:1", "\"s\""),
    ("health", "DISTRACK_SCHEDULER_PORT", "0.0.0.0:7", "port: Some(7)"),
];

/// Settings that name files which are read at once.
const FILES: [&str; 4] = ["cluster_token_file", "tls_cert", "tls_key", "tls_ca"];

#[test]
fn each_file_is_taken_from_its_variable_and_read() {
    for name in FILES {
        let variable = format!("DISTRACK_{}", name.to_uppercase());
        let others = FILES[1..].iter().filter(|other| **other != name && name != FILES[0]);
        let flags: String = others.map(|other| format!(" --{other}=/no/other")).collect();
        for role in ["worker", "coordinator"] {
            let said = planned(&format!("{role}{flags}"), &[DATABASE, (&variable, "/no/such")]).unwrap_err();
            assert!(said.contains("No such file"), "{variable}: {said}");
        }
    }
    for role in ["up", "scheduler"] {
        for (name, other) in [("TLS_CERT", "tls_key"), ("TLS_KEY", "tls_cert")] {
            let variables = [DATABASE, (&format!("DISTRACK_{name}"), "/no/such")];
            let said = planned(&format!("{role} --{other}=/no/other"), &variables).unwrap_err();
            assert!(said.contains("No such file"), "{name}: {said}");
        }
    }
    for line in ["list --server=https://s", "health --url=https://s"] {
        let said = planned(line, &[("DISTRACK_TLS_CA", "/no/such")]).unwrap_err();
        assert!(said.contains("--tls_ca") || said.contains("DISTRACK_TLS_CA"), "{said}");
        assert!(planned(&line.replace("https", "http"), &[("DISTRACK_TLS_CA", "/no/such")]).is_ok());
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "a-secret-of-this-cluster").unwrap();
    let variables = [("DISTRACK_CLUSTER_TOKEN_FILE", file.to_str().unwrap())];
    for role in ["worker", "up"] {
        let plan = planned(role, &variables).unwrap();
        assert!(plan.contains("token: Some(ClusterToken)") && !plan.contains("a-secret"), "{plan}");
    }
    let both = [variables[0], ("DISTRACK_CLUSTER_TOKEN", "a-secret-of-this-cluster")];
    let said = planned("worker", &both).unwrap_err();
    assert!(said.contains("both set") && !said.contains("a-secret"), "{said}");
}

#[test]
fn each_documented_variable_works() {
    for (role, variable, value, expected) in VARIABLES {
        let with = planned(role, &[DATABASE, (variable, value)]).unwrap();
        assert!(with.contains(expected), "{variable}={value}: {expected} in {with}");
        let without = planned(role, &[DATABASE]).unwrap();
        assert!(!without.contains(expected), "{variable}: {expected} in {without}");
    }
    for setting in table::SETTINGS.iter().filter(|setting| setting.name != "config") {
        let variable = setting.variables().remove(0);
        // Files, which must be there to be planned with: see below.
        if FILES.contains(&setting.name) {
            continue;
        }
        assert!(VARIABLES.iter().any(|(_, tested, ..)| *tested == variable), "{variable} is not tested");
    }
}

#[test]
fn what_every_coordinator_would_refuse_is_refused_at_the_start() {
    let long = "ä".repeat(129);
    for (wrong, part) in [
        ("--slots=10001".to_owned(), "a whole number from 1 to 10000"),
        (format!("--worker_name={long}"), "1 to 256 bytes"),
        (format!("--worker_address={}", "h".repeat(249)), "at most 248 bytes"),
        ((0..=1000).map(|n| format!("--queues=q{n} ")).collect(), "at most 1000 queues"),
    ] {
        let said = planned(&format!("worker {wrong}"), &[]).unwrap_err();
        assert!(said.contains(part), "{part} in: {said}");
    }
    assert!(planned("worker --slots=10000", &[]).is_ok());
}

#[test]
fn a_limit_that_nothing_could_run_under_or_a_policy_that_allows_everything_is_refused() {
    for (wrong, part) in [
        ("--limit_memory=1M", "must be at least 16M"),
        ("--limit_memory=lots", "a number of bytes such as 512M"),
        ("--limit_processes=0", "a whole number from 1"),
        ("--limit_open_files=3", "a whole number from 16"),
        ("--limit_file_size=0", "a number of bytes"),
        ("--isolation=none", "must be auto, cgroup or rlimits"),
        ("--run_as=:users", "must be USER or USER:GROUP"),
        ("--run_as=a:b:c", "must be USER or USER:GROUP"),
        ("--allow_command=,", "must name a program"),
        ("--allow_command=/bin/a,sh", "'sh' must be an absolute path"),
    ] {
        let said = planned(&format!("worker {wrong}"), &[]).unwrap_err();
        assert!(said.contains(part), "{part} in: {said}");
    }
}

#[test]
fn every_wrong_coordinator_is_named() {
    let said = planned("worker --coordinator=a,b:x,http://me:secret@c", &[]).unwrap_err();
    assert!(said.contains("'b:x' must be host:port") && said.contains("'http://***' must be"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn up_is_on_its_own_file_unless_a_database_is_named_to_it() {
    assert!(planned("up", &[("POSTGRES_HOST", "db")]).unwrap().contains("database: None"));
    assert!(planned("up", &[DATABASE]).unwrap().contains("Some(postgres://me:***@db/tasks)"));
}

#[test]
fn every_problem_is_said_at_once_with_where_it_comes_from() {
    let variables = [("DISTRACK_SLOTS", "0"), ("DISTRACK_LABELS", "gpu")];
    let said = planned("worker --worker_port=x --kill-grace=5 --bogus --queues=A", &variables).unwrap_err();
    assert!(said.starts_with("distrack: 6 problems\n"), "{said}");
    for part in [
        "--bogus: there is no such flag",
        "--worker_port=x: must be an address",
        "--kill_grace=5: must be a duration",
        "--queues=A: 'A' must be",
        "DISTRACK_SLOTS=0: must be a whole number from 1",
        "DISTRACK_LABELS=gpu: must be KEY=VALUE",
    ] {
        assert!(said.contains(part), "{part} in: {said}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_a_problem() {
    let said = planned("coordinator --lost_after=14s", &[DATABASE]).unwrap_err();
    assert!(said.contains("lost_after (14s) must be at least 3 times heartbeat_interval (5s)"), "{said}");
    assert!(planned("coordinator --lost_after=15s", &[DATABASE]).is_ok());
}

#[test]
fn a_fleet_needs_a_postgres_and_is_told_how_to_name_one() {
    for role in ["scheduler", "coordinator"] {
        let said = planned(role, &[]).unwrap_err();
        for part in ["database_url is missing", "DISTRACK_DATABASE_URL", "POSTGRES_HOST", "distrack up"] {
            assert!(said.contains(part), "{part} in: {said}");
        }
        let said = planned(&format!("{role} --database_url=sqlite:///x.db"), &[]).unwrap_err();
        assert!(said.contains(&format!("'{role}' needs Postgres")), "{said}");
    }
}

#[test]
fn a_password_is_in_no_problem_and_no_plan() {
    let said = planned("scheduler --database_url=mysql://me:secret@db", &[]).unwrap_err();
    assert!(said.contains("--database_url: must be postgres://") && !said.contains("secret"), "{said}");
    for role in ["scheduler", "bench --self"] {
        assert!(!planned(role, &[DATABASE]).unwrap().contains("secret"));
    }
}

#[test]
fn each_worker_of_a_host_has_a_state_folder_of_its_own() {
    let below = roles::StateDir::Below("/s/distrack".into());
    assert_eq!(below.of(8000), std::path::Path::new("/s/distrack/worker"));
    assert_eq!(below.of(8001), std::path::Path::new("/s/distrack/worker-8001"));
}

#[test]
fn a_submission_becomes_the_apis_request() {
    let line = "submit --delay=1.5 --queue=q --priority -5 --label a=1 --label b=2 --require gpu=true --env X=y \
                --timeout=2m --retries=2 --on-lost=fail --idempotency-key=k --cwd=/tmp --wait=3s -- echo -n hello";
    let plan = planned(line, &[]).unwrap();
    for part in [
        "\"argv\": Array [String(\"echo\"), String(\"-n\"), String(\"hello\")]",
        "\"delay_seconds\": Number(1.5)",
        "\"queue\": String(\"q\")",
        "\"priority\": Number(-5)",
        "\"labels\": Object {\"a\": String(\"1\"), \"b\": String(\"2\")}",
        "\"requires\": Object {\"gpu\": String(\"true\")}",
        "\"env\": Object {\"X\": String(\"y\")}",
        "\"timeout\": Number(120.0)",
        "\"max_attempts\": Number(3)",
        "\"on_lost\": String(\"fail\")",
        "\"cwd\": String(\"/tmp\")",
        "key: Some(\"k\")",
        "Wait(Some(3s))",
    ] {
        assert!(plan.contains(part), "{part} in: {plan}");
    }
    let command = |line| planned(line, &[]).unwrap();
    assert!(command("submit -- date").contains("{\"command\": String(\"date\")}"));
    assert!(command("submit --shell -- echo a").contains("{\"command\": String(\"echo a\")}"));
    assert!(command("submit --wait -- date").contains("Wait(None)"));
    assert!(command("submit --at=2030-01-31T09:30:00+02:00 -- date").contains("2030-01-31T07:30:00+00:00"));
}

#[test]
fn a_secret_comes_from_the_environment_or_a_file_and_is_said_by_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, "hunter2\r\n").unwrap();
    let line = format!("submit --env-secret TOKEN --env-secret=KEY=@{} -- date", file.display());
    let variables = [("TOKEN", "hunter2")];
    let plan = planned(&line, &variables).unwrap();
    assert!(plan.contains(r#"secrets: {"KEY": …, "TOKEN": …}"#) && !plan.contains("hunter2"), "{plan}");

    let line = "submit --env-secret=TOKEN=hunter2 --env-secret NONE --env-secret=A=@/no/such/file --env TOKEN=1 \
                --env-secret=PATH -- date";
    let said = planned(line, &[("TOKEN", "x"), ("PATH", "/bin")]).unwrap_err();
    for part in [
        "4 problems",
        "--env-secret=TOKEN: takes no value here",
        "--env-secret=NONE: is not in the environment",
        "--env-secret=A: /no/such/file: No such file",
        "--env-secret.PATH: must not be secret",
    ] {
        assert!(said.contains(part), "{part} in: {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
    let said = planned("submit --env-secret TOKEN --env TOKEN=1 -- date", &variables).unwrap_err();
    assert!(said.contains("--env-secret.TOKEN: must not be in env too"), "{said}");
}

#[test]
fn a_wrong_submission_is_refused_before_it_is_sent_with_all_that_is_wrong() {
    let line = "submit --delay=1 --at=2030-01-31T09:30:00Z --queue=A --priority=101 --label=x --timeout=31d \
                --retries=100 --on-lost=maybe --cwd=tmp --idempotency-key=ü --wait=soon -o yaml -- date";
    let said = planned(line, &[]).unwrap_err();
    for part in [
        "11 problems",
        "give either --delay or --at, not both",
        "--queue: must be 1 to 63",
        "--priority=101:",
        "--label=x:",
        "--timeout: must be 1 ms to 30 days",
        "--retries=100:",
        "--on-lost=maybe: must be retry or fail",
        "--cwd: must be an absolute path",
        "--idempotency-key=ü:",
        "--wait=soon:",
        "--output=yaml: must be table or json",
    ] {
        assert!(said.contains(part), "{part} in: {said}");
    }
}

#[test]
fn the_help_of_a_role_shows_each_setting_with_its_variable_and_default() {
    for service in &SERVICES {
        let help = help(service.role.command());
        for setting in table::of(service.role) {
            let shown = [("<", ">"), ("[<", ">]")]
                .map(|(open, close)| format!("--{} {open}{}{close}", setting.name, setting.value));
            assert!(shown.iter().any(|shown| help.contains(shown)), "{help}");
            let variables = setting.variables().join(", ");
            let default = match setting.default {
                Fallback::Text(text) | Fallback::Found(text) => text,
            };
            assert!(
                help.contains(&format!("[env: {variables}] [default: {default}]")),
                "{}: {help}",
                setting.name
            );
        }
        assert!(help.contains("Examples:"), "{help}");
    }
}

#[test]
fn the_first_help_names_every_command_the_first_steps_and_the_exit_codes() {
    let help = help("");
    for part in ["distrack up", "distrack submit --wait -- echo hello", "Exit codes:", "124", "130"] {
        assert!(help.contains(part), "{part} in: {help}");
    }
    for command in command().get_subcommands() {
        assert!(command.get_about().is_some() && help.contains(command.get_name()), "{}", command.get_name());
    }
}

#[test]
fn the_command_line_is_sound() {
    command().debug_assert();
}

#[test]
fn an_api_that_others_can_reach_says_who_may_use_it_or_nothing_starts() {
    for role in ["scheduler", "up"] {
        let planned = |flags: &str| planned(&format!("{role} {flags}"), &[DATABASE]);
        for host in ["0.0.0.0", "[::]", "192.0.2.1", "db.lan", "[2001:db8::1]"] {
            for open in [format!("--bind={host}"), format!("--bind={host} --scheduler_port=:0")] {
                let said = planned(&open).unwrap_err();
                for part in ["--auth=tokens", "--auth=local", "--insecure_no_auth", "scheduler_port is "] {
                    assert!(said.contains(part), "{part} in: {said}");
                }
            }
            let open = format!("--scheduler_port={host}:8081");
            assert!(planned(&open).is_err());
            for (flag, mode) in [
                ("--auth=local", "mode: Local"),
                ("--auth=tokens", "mode: Tokens"),
                ("--insecure_no_auth", "mode: Off"),
                ("--insecure-no-auth=true", "mode: Off"),
            ] {
                let plan = planned(&format!("{open} {flag}")).unwrap();
                assert!(plan.contains(mode), "{flag}: {plan}");
            }
            assert!(planned(&format!("{open} --insecure_no_auth=false")).is_err());
        }
        for host in ["127.0.0.1", "127.8.8.8", "[::1]", "localhost", "[::ffff:127.0.0.1]"] {
            let plan = planned(&format!("--scheduler_port={host}:8081")).unwrap();
            assert!(plan.contains("mode: Local"), "{plan}");
        }
        let said = planned("--auth=local --insecure_no_auth").unwrap_err();
        assert!(said.contains("contradict"), "{said}");
        let said = planned("--auth=none").unwrap_err();
        assert!(said.contains("--auth=none: must be local or tokens"), "{said}");
    }
}

#[test]
fn a_token_is_made_where_the_schedulers_look_for_it() {
    let place = |line: &str, variables: &[(&str, &str)]| planned(line, variables).unwrap();
    let line = "token list";
    assert!(place(line, &[]).contains("sqlite:///home/me/.local/share/distrack/distrack.db"));
    assert!(place(line, &[("POSTGRES_HOST", "h")]).contains("postgres://postgres@h"));
    assert!(place("token list --data_dir=/d", &[("POSTGRES_HOST", "h")]).contains("sqlite:///d/distrack.db"));
    assert!(place("token list --data_dir=/d", &[DATABASE]).contains("postgres://me:***@db/tasks"));
}

#[test]
fn a_wrong_token_command_is_refused_with_all_that_is_wrong() {
    for (line, parts) in [
        ("token", &["distrack token create, list or revoke"][..]),
        ("token make x", &["'make': must be create"]),
        ("token create", &["name is missing", "--scope is missing"]),
        (
            "token create x --scope=read,root --expires=soon",
            &["--scope=read,root: must be", "--expires=soon"],
        ),
        ("token create x --scope=read --queues=A,b", &["--queues=A,b: "]),
        ("token create x --scope=read --queues=", &["--queues: must name a queue"]),
        ("token revoke", &["id is missing"]),
    ] {
        let said = planned(line, &[]).unwrap_err();
        for part in parts {
            assert!(said.contains(part), "{line}: {part} in: {said}");
        }
    }
    let plan =
        planned("token create ci --scope=read --scope=submit,read --queues=a,b --expires=90d", &[]).unwrap();
    for part in [
        "name: \"ci\"",
        "Scopes([Read, Submit])",
        "QueueName(\"a\"), QueueName(\"b\")",
        "lifetime: Some(7776000s)",
    ] {
        assert!(plan.contains(part), "{part} in: {plan}");
    }
    let whole = planned("token revoke dt_0123456789abcdef_secretsecret", &[]).unwrap();
    assert!(whole.contains("Revoke(\"0123456789abcdef\")") && !whole.contains("secret"), "{whole}");
}

#[test]
fn the_token_of_a_client_comes_from_a_file_or_a_variable_and_is_in_no_plan() {
    let token = ("DISTRACK_TOKEN", "dt_ab_secret");
    for variables in [&[token][..], &[token, ("DISTRACK_TOKEN_FILE", "/nowhere")]] {
        let plan = planned("list", variables).unwrap();
        assert!(plan.contains("token: Some(") && !plan.contains("secret"), "{plan}");
    }
    let said = planned("list --token_file=/nowhere", &[token]).unwrap_err();
    assert!(said.contains("--token_file=/nowhere: cannot be read") && !said.contains("secret"), "{said}");
    let said = planned("list", &[("DISTRACK_TOKEN", "two secrets")]).unwrap_err();
    assert!(said.contains("DISTRACK_TOKEN must be one token") && !said.contains("secret"), "{said}");
    assert!(planned("list --token=dt_ab_secret", &[]).is_err(), "never an argument");
}
