//! User names to ids: the one question asked of the system's user database.

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// As in the configuration.
    pub(crate) name: String,
    /// Its number.
    pub(crate) uid: u32,
    /// Its own group's number.
    pub(crate) gid: u32,
}

impl User {
    /// Looks a user up; an error says what was looked for.
    pub(crate) fn named(name: &str) -> Result<User, String> {
        match nix::unistd::User::from_name(name) {
            Ok(Some(user)) => Ok(User {
                name: name.to_owned(),
                uid: user.uid.as_raw(),
                gid: user.gid.as_raw(),
            }),
            Ok(None) => Err(format!("there is no user {name:?} on this machine")),
            Err(e) => Err(format!("the user {name:?} can't be looked up: {e}")),
        }
    }
}
