//! What a token may be used for.

use std::fmt;
use std::str::FromStr;

/// One kind of thing that a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// See tasks, what they printed, and how the fleet stands.
    Read,
    /// Have commands run: submit tasks and retry them.
    Submit,
    /// Cancel tasks.
    Cancel,
    /// All of it, and what is for operators alone.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Read, Self::Submit, Self::Cancel, Self::Admin];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Submit => "submit",
            Self::Cancel => "cancel",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        known.ok_or_else(|| "must be read, submit, cancel or admin".to_owned())
    }
}

/// Scopes, in their order and each once. Shows itself as names with commas between, and is read as such.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Whether they permit it. `admin` permits everything.
    pub fn permit(&self, scope: Scope) -> bool {
        self.0.contains(&scope) || self.0.contains(&Scope::Admin)
    }

    /// Whether they permit nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut scopes: Vec<Scope> = scopes.into_iter().collect();
        scopes.sort();
        scopes.dedup();
        Self(scopes)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Scope::as_str).collect();
        f.write_str(&names.join(","))
    }
}

impl FromStr for Scopes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').filter(|name| !name.is_empty()).map(|name| name.trim().parse()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_they_are_shown() {
        let scopes: Scopes = "submit,read,submit".parse().unwrap();
        assert_eq!(scopes.to_string(), "read,submit");
        assert_eq!(scopes.to_string().parse(), Ok(scopes));
        assert_eq!("".parse(), Ok(Scopes::default()));
        assert!("read,root".parse::<Scopes>().is_err());
    }

    #[test]
    fn admin_permits_everything_and_the_others_only_themselves() {
        for held in Scope::ALL {
            let scopes = Scopes::from_iter([held]);
            for asked in Scope::ALL {
                assert_eq!(scopes.permit(asked), held == asked || held == Scope::Admin, "{held} {asked}");
            }
        }
        assert!(!Scopes::default().permit(Scope::Read));
    }
}
