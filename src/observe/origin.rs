//! Who is behind what a thread does: told to the audit log alone. Nothing decides by it.
//!
//! It lies beside the deeds, not in their arguments, so that none can forget to hand it on: whoever begins to work for
//! somebody says so by [`within`], and the store takes [`current`] along with each write.

use std::{cell::RefCell, net::IpAddr, sync::Arc};

use uuid::Uuid;

use crate::domain::{ApiKeyId, UserId};

thread_local! {
    static CURRENT: RefCell<Option<Arc<Origin>>> = const { RefCell::new(None) };
}

/// Who does something.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Actor {
    /// The server by itself, or somebody whom it does not know.
    System,
    /// The operator: by token or command, or signed in.
    Operator(Option<UserId>),
    /// Whoever has this API key.
    Key(ApiKeyId),
    /// Somebody who is signed in.
    User(UserId),
}

impl Actor {
    /// What kind of actor it is, by its name in the API.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Operator(_) => "operator",
            Self::Key(_) => "key",
            Self::User(_) => "user",
        }
    }

    /// The id of the key or user, where there is one.
    pub const fn id(&self) -> Option<Uuid> {
        match self {
            Self::System | Self::Operator(None) => None,
            Self::Key(key) => Some(key.uuid()),
            Self::Operator(Some(user)) | Self::User(user) => Some(user.uuid()),
        }
    }

    /// The person, where it is one who signed in.
    pub const fn user(&self) -> Option<UserId> {
        match self {
            Self::Operator(Some(user)) | Self::User(user) => Some(*user),
            Self::System | Self::Operator(None) | Self::Key(_) => None,
        }
    }
}

/// Who is behind a write, and from where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// Who.
    pub actor: Actor,
    /// What people call them: the e-mail address of somebody who signed in, the name of a key. It stays in the log when
    /// they are forgotten.
    pub name: Option<Arc<str>>,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The request's name.
    pub request_id: Option<Arc<str>>,
}

impl Origin {
    /// Whoever runs a command on the server's machine.
    pub const fn operator() -> Self {
        Self { actor: Actor::Operator(None), name: None, address: None, request_id: None }
    }
}

/// Whom this thread works for; `None` for the server itself.
pub fn current() -> Option<Arc<Origin>> {
    CURRENT.with_borrow(Clone::clone)
}

/// Lets `look` see whom this thread works for.
pub fn with_current<T>(look: impl FnOnce(Option<&Origin>) -> T) -> T {
    CURRENT.with_borrow(|current| look(current.as_deref()))
}

/// Works for them while `work` runs, also where it panics, and then for whom it did before.
pub fn within<T>(origin: Option<Arc<Origin>>, work: impl FnOnce() -> T) -> T {
    let _before = Before(CURRENT.replace(origin));
    work()
}

/// Whom the thread worked for before; does so again when it is dropped.
struct Before(Option<Arc<Origin>>);

impl Drop for Before {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn actor() -> Actor {
        with_current(|origin| origin.map_or(Actor::System, |origin| origin.actor))
    }

    #[test]
    fn a_thread_works_for_whom_it_did_before_when_the_work_is_over() {
        let operator = Some(Arc::new(Origin::operator()));
        let key = Actor::Key(ApiKeyId::MAX);
        let of_key = Some(Arc::new(Origin { actor: key, ..Origin::operator() }));
        assert_eq!(actor(), Actor::System);
        within(operator, || {
            assert_eq!(within(of_key.clone(), actor), key);
            assert_eq!(actor(), Actor::Operator(None));
            let panicking = AssertUnwindSafe(|| within(of_key, || panic!("on purpose")));
            assert!(catch_unwind(panicking).is_err());
            assert_eq!(actor(), Actor::Operator(None));
            assert_eq!(within(None, actor), Actor::System);
        });
        assert_eq!(current(), None);
    }

    #[test]
    fn no_thread_works_for_whom_another_does() {
        within(Some(Arc::new(Origin::operator())), || {
            std::thread::scope(|scope| {
                assert_eq!(scope.spawn(actor).join().unwrap(), Actor::System);
            });
        });
    }
}
