//! What people sign in with.

use super::{Error, Result, Secret};

/// The longest address that mail can be sent to, in bytes (RFC 5321 §4.5.3.1.3).
const EMAIL_MAX: usize = 254;
/// The fewest characters of a password.
pub const PASSWORD_MIN: usize = 10;
/// The most characters of a password: hashing takes time by its length.
pub const PASSWORD_MAX: usize = 200;

/// Refuses what can be nobody's address. Whether somebody reads there only a message could tell.
pub fn check_email(email: &str) -> Result<()> {
    let parts = email.split_once('@');
    let is_whole = parts
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    let is_plain = !email.chars().any(|sign| sign.is_whitespace() || sign.is_control());
    if is_whole && is_plain && email.len() <= EMAIL_MAX {
        return Ok(());
    }
    let message = format!(
        "email must be an address such as ada@example.com, of at most {EMAIL_MAX} bytes, without spaces"
    );
    Err(Error::invalid("email", message))
}

/// By what people are told apart: case makes no difference.
pub fn email_key(email: &str) -> String {
    email.to_lowercase()
}

/// Refuses a new password that is too short to be one, or too long to hash. `param` is its field.
pub fn check_password(param: &str, password: &Secret<String>) -> Result<()> {
    let characters = password.expose().chars().take(PASSWORD_MAX + 1).count();
    if (PASSWORD_MIN..=PASSWORD_MAX).contains(&characters) {
        return Ok(());
    }
    let message = format!("{param} must have {PASSWORD_MIN} to {PASSWORD_MAX} characters");
    Err(Error::invalid(param, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_at_sign_and_no_space() {
        let long = format!("{}@x", "a".repeat(252));
        for good in ["a@b", "Ada.Lovelace+1@example.com", "ä@ö.example", &long] {
            assert!(check_email(good).is_ok(), "{good}");
        }
        let longer = format!("a{long}");
        for bad in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b\n", "a\u{0}@b", &longer] {
            assert!(check_email(bad).is_err(), "{bad:?}");
        }
        assert_eq!(email_key("Ada@Example.COM"), "ada@example.com");
    }

    #[test]
    fn a_password_is_counted_in_characters() {
        let check = |password: String| check_password("password", &Secret::new(password));
        assert!(check("ö".repeat(10)).is_ok() && check("x".repeat(200)).is_ok());
        for bad in [0, 9, 201, 100_000] {
            let refused = check("x".repeat(bad)).unwrap_err();
            assert_eq!(refused.message(), "password must have 10 to 200 characters");
        }
    }
}
