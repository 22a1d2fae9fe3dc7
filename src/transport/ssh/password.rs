//! A password for the login: as `password` where the server takes it so, else as the answer to its question.
//!
//! Owns: which question is one for the password. Must not: answer any other, or send a password twice: a server counts each time
//! that it is wrong, and some lock the account.

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Asked, Prompt};
use russh::{MethodKind, MethodSet};

use super::auth::wants_more;
use super::client::{Client, printable};

/// Rounds of questions and words without a question.
const ROUNDS: usize = 8;

/// What came of it.
pub(super) enum Given {
    /// Logged in.
    In,
    /// Why not.
    Not(String),
}

/// Gives the password, once. `left`: the ways that the server has left open, if that is known.
pub(super) async fn give(handle: &mut Handle<Client>, user: &str, password: &str, left: Option<MethodSet>) -> Given {
    match given(handle, user, password, left).await {
        Ok(given) => given,
        Err(e) => Given::Not(e.to_string()),
    }
}

async fn given(
    handle: &mut Handle<Client>,
    user: &str,
    password: &str,
    left: Option<MethodSet>,
) -> Result<Given, russh::Error> {
    let left = match left {
        Some(left) => left,
        None => match handle.authenticate_none(user).await? {
            AuthResult::Success => return Ok(Given::In),
            AuthResult::Failure { remaining_methods, .. } => remaining_methods,
        },
    };
    if left.contains(&MethodKind::Password) {
        return Ok(match handle.authenticate_password(user, password).await? {
            AuthResult::Success => Given::In,
            AuthResult::Failure {
                remaining_methods,
                partial_success,
            } => Given::Not(refused(partial_success.then_some(remaining_methods))),
        });
    }
    if left.contains(&MethodKind::KeyboardInteractive) {
        return answer(handle, user, password).await;
    }
    Ok(Given::Not(NONE_TAKEN.to_owned()))
}

const NONE_TAKEN: &str = "the server takes no password, or none for this user";

/// `further`: it was right, and is not enough.
fn refused(further: Option<MethodSet>) -> String {
    match further {
        None => "the password was refused".to_owned(),
        Some(further) => wants_more("the password", &further),
    }
}

/// `keyboard-interactive`: a question that is not answered ends the login.
async fn answer(handle: &mut Handle<Client>, user: &str, password: &str) -> Result<Given, russh::Error> {
    let mut asked = handle
        .authenticate_keyboard_interactive_start(user, None::<String>)
        .await?;
    let mut given = false;
    for _ in 0..ROUNDS {
        let replies = match asked {
            Asked::Success => return Ok(Given::In),
            Asked::Failure { .. } if !given => return Ok(Given::Not(NONE_TAKEN.to_owned())),
            Asked::Failure {
                remaining_methods,
                partial_success,
            } => return Ok(Given::Not(refused(partial_success.then_some(remaining_methods)))),
            Asked::InfoRequest { prompts, .. } => match prompts.as_slice() {
                // Words alone, as a greeting.
                [] => Vec::new(),
                [only] if !given && is_for_password(only) => {
                    given = true;
                    vec![password.to_owned()]
                }
                [first, ..] => {
                    let taken = if given { "takes the password and " } else { "" };
                    let question = printable(first.prompt.trim());
                    return Ok(Given::Not(format!(
                        "the server {taken}asks something else: `{question}`"
                    )));
                }
            },
        };
        asked = handle.authenticate_keyboard_interactive_respond(replies).await?;
    }
    Ok(Given::Not("the server has words without end".to_owned()))
}

/// Words that make a question for a password one for another: of one use, or for a change of it.
const OTHER: [&str; 8] = [
    "one-time", "one time", "otp", "token", "new", "current", "again", "retype",
];

fn is_for_password(prompt: &Prompt) -> bool {
    let words = prompt.prompt.to_lowercase();
    !prompt.echo && words.contains("password") && !OTHER.iter().any(|other| words.contains(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_hidden_question_for_the_password_of_today_is_one() {
        let asks = |words: &str, echo| {
            is_for_password(&Prompt {
                prompt: words.to_owned(),
                echo,
            })
        };
        for good in [
            "Password: ",
            "Password for ops@web1:",
            "ops@web1's password: ",
            "LDAP Password:",
        ] {
            assert!(asks(good, false), "{good}");
            assert!(!asks(good, true), "{good}: it would be shown");
        }
        for bad in [
            "Verification code: ",
            "One-time password (OATH) for `ops': ",
            "Enter OTP password: ",
            "New password: ",
            "Current password: ",
            "Retype new password: ",
            "",
        ] {
            assert!(!asks(bad, false), "{bad}");
        }
    }
}
