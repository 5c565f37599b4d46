//! The texts of the mails, one for each kind.

use super::Letter;
use crate::app::AppName;
use crate::db::grants::Recipient;
use crate::db::mails::MailKind;
use crate::event::Email;

/// The letter of `kind` about everything in `recipients`, who are one person; `None` when there is
/// nothing to tell or nobody to tell it to.
pub(super) fn letter(
    kind: MailKind,
    app: AppName,
    source_app: AppName,
    recipients: &[Recipient],
) -> Option<Letter> {
    let first = recipients.first()?;
    let to = Email::new(first.email.clone()?);
    let greeting = match first.name.as_deref().map(one_line) {
        Some(name) if !name.is_empty() => format!("Hello {name},"),
        Some(_) | None => "Hello,".to_owned(),
    };
    let mut products: Vec<String> = recipients
        .iter()
        .filter_map(|recipient| recipient.product.as_deref())
        .map(one_line)
        .collect();
    products.dedup();
    let products = products.join(", ");
    let (here, there) = (title(app), title(source_app));
    let (subject, body) = match kind {
        MailKind::Granted => (
            format!("{products}: your access is ready"),
            format!(
                "{products} on {here} came with your purchase on {there}. Sign in to {here} and \
                 begin."
            ),
        ),
        MailKind::Pending => (
            format!("{products}: one step to your access"),
            format!(
                "{products} on {here} came with your purchase on {there}. To use it, link your \
                 {there} account with your {here} account: sign in to {there}, open the settings \
                 and choose to link."
            ),
        ),
        MailKind::Claimed => (
            format!("{products}: your access is ready"),
            format!(
                "Your {there} account and your {here} account are linked. You can use {products} \
                 on {here} from here on."
            ),
        ),
    };
    Some(Letter {
        to,
        subject,
        text: format!("{greeting}\n\n{body}\n"),
    })
}

fn title(app: AppName) -> &'static str {
    match app {
        AppName::TotalTypescript => "Total TypeScript",
        AppName::AiHero => "AI Hero",
    }
}

/// A name on one line, so that it cannot begin a header or a paragraph of its own.
fn one_line(name: &str) -> String {
    let words: Vec<&str> = name.split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests;
