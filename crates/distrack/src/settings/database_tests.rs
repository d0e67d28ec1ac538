use super::*;

fn composed(variables: &[(&str, &str)]) -> Result<Database, String> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Database::compose(&variables.collect()).expect("a variable is set")
}

fn exposed(database: Database) -> String {
    match database {
        Database::Postgres(url) => url.expose().to_owned(),
        Database::Sqlite(path) => panic!("{}", path.display()),
    }
}

#[test]
fn the_pieces_make_a_url_and_missing_ones_have_defaults() {
    let all = [
        ("POSTGRES_HOST", "db"),
        ("POSTGRES_PORT", "6432"),
        ("POSTGRES_DB", "tasks"),
        ("POSTGRES_USER", "me"),
        ("POSTGRES_PASSWORD", "secret"),
    ];
    assert_eq!(exposed(composed(&all).unwrap()), "postgres://me:secret@db:6432/tasks");
    let one = composed(&[("POSTGRES_PASSWORD", "secret")]).unwrap();
    assert_eq!(exposed(one), "postgres://postgres:secret@localhost:5432/distrack");
    assert!(Database::compose(&Environment::default()).is_none());
}

#[test]
fn characters_that_mean_something_in_a_url_are_encoded() {
    let odd = "p@ss:w/rd?#%20 ü";
    let url = exposed(
        composed(&[("POSTGRES_PASSWORD", odd), ("POSTGRES_USER", odd), ("POSTGRES_DB", odd)]).unwrap(),
    );
    let url = Url::parse(&url).unwrap();
    let part = |text: &str| {
        let bytes = text.split('%').enumerate().flat_map(|(index, piece)| match index {
            0 => piece.as_bytes().to_vec(),
            _ => [&[u8::from_str_radix(&piece[..2], 16).unwrap()], &piece.as_bytes()[2..]].concat(),
        });
        String::from_utf8(bytes.collect()).unwrap()
    };
    assert_eq!(part(url.password().unwrap()), odd);
    assert_eq!(part(url.username()), odd);
    assert_eq!(part(url.path().strip_prefix('/').unwrap()), odd);
    assert_eq!((url.host_str(), url.port()), (Some("localhost"), Some(5432)));
}

#[test]
fn a_password_is_read_from_its_file_up_to_the_end_of_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    let file = ("POSTGRES_PASSWORD_FILE", path.to_str().unwrap());
    for (written, encoded) in [("secret\n", "secret"), ("secret\r\n", "secret"), (" s@ ", "%20s%40%20")] {
        std::fs::write(&path, written).unwrap();
        let url = exposed(composed(&[file]).unwrap());
        assert_eq!(url, format!("postgres://postgres:{encoded}@localhost:5432/distrack"));
    }
    // As ${VAR:-} of a compose file leaves it.
    assert!(composed(&[("POSTGRES_PASSWORD", ""), file]).is_ok());
}

#[test]
fn a_password_file_that_gives_none_is_a_problem_and_not_an_empty_password() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    let file = ("POSTGRES_PASSWORD_FILE", path.to_str().unwrap());
    let refused = |variables: &[(&str, &str)]| composed(variables).unwrap_err();
    let said = refused(&[file]);
    assert!(
        said.starts_with("POSTGRES_PASSWORD_FILE=") && said.contains("cannot be read: No such"),
        "{said}"
    );
    for nothing in ["", "\n", "\r\n\n"] {
        std::fs::write(&path, nothing).unwrap();
        assert!(refused(&[file]).ends_with("password: is empty"));
    }
    std::fs::write(&path, [b's', 0xff]).unwrap();
    assert!(refused(&[file]).contains("cannot be read"));
    std::fs::write(&path, "secret").unwrap();
    let said = refused(&[file, ("POSTGRES_PASSWORD", "secret-2")]);
    assert!(said.contains("both set") && !said.contains("secret"), "{said}");
}

#[test]
fn a_socket_an_ipv6_host_and_a_kubernetes_port_are_understood() {
    let url = exposed(composed(&[("POSTGRES_HOST", "/var/run/postgresql")]).unwrap());
    assert!(url.ends_with("?host=%2Fvar%2Frun%2Fpostgresql"), "{url}");
    let url =
        exposed(composed(&[("POSTGRES_HOST", "::1"), ("POSTGRES_PORT", "tcp://10.0.0.1:5432")]).unwrap());
    assert_eq!(url, "postgres://postgres@[::1]:5432/distrack");
    let by_kubernetes = [("POSTGRES_PORT".to_owned(), "tcp://10.0.0.1:5432".to_owned())];
    assert!(Database::compose(&by_kubernetes.into_iter().collect()).is_none());
    assert!(composed(&[("POSTGRES_PORT", "x")]).unwrap_err().starts_with("POSTGRES_PORT=x"));
    assert!(composed(&[("POSTGRES_HOST", "a b")]).unwrap_err().starts_with("POSTGRES_HOST=a b"));
}

#[test]
fn a_password_is_never_shown() {
    let database = Database::parse("postgres://me:secret@db/tasks?password=secret").unwrap();
    for shown in [format!("{database}"), format!("{database:?}")] {
        assert_eq!(shown, "postgres://me:***@db/tasks");
    }
    for wrong in ["mysql://me:secret@db", "postgres://me:secret@db:port/x", "me:secret@db", "secret"] {
        assert!(!Database::parse(wrong).unwrap_err().contains("secret"), "{wrong}");
    }
}

#[test]
fn a_database_is_dialled_at_its_host_and_port_unless_it_is_a_file_or_a_socket() {
    let dialled = |text| Database::parse(text).unwrap().dialled();
    assert_eq!(dialled("postgres://me@db/x"), Some(("db".to_owned(), 5432)));
    assert_eq!(dialled("postgres://me@[::1]:7/x"), Some(("::1".to_owned(), 7)));
    assert_eq!(dialled("postgres://me@localhost/x?host=/run"), None);
    assert_eq!(dialled("sqlite://x"), None);
}

#[test]
fn a_file_is_named_by_path() {
    for (text, path) in
        [("sqlite:///a/b.db", "/a/b.db"), ("sqlite://b.db", "b.db"), ("sqlite:b.db?x=1", "b.db")]
    {
        assert_eq!(Database::parse(text).unwrap(), Database::Sqlite(path.into()));
    }
    assert!(Database::parse("sqlite://").is_err() && Database::parse("sqlite::memory:").is_err());
}
