//! The letters as buyers read them.

use super::*;

fn recipient(product: &str) -> Recipient {
    Recipient {
        email: Some("ada@buyer.example".to_owned()),
        name: Some("Ada\nBcc: everybody".to_owned()),
        product: Some(product.to_owned()),
    }
}

fn sent(kind: MailKind, recipients: &[Recipient]) -> Option<Letter> {
    letter(kind, AppName::AiHero, AppName::TotalTypescript, recipients)
}

#[test]
fn one_letter_names_every_product_and_keeps_names_on_their_line() {
    let both = [recipient("Cohort"), recipient("Workshop")];
    let letter = sent(MailKind::Claimed, &both).unwrap();
    assert_eq!(letter.subject, "Cohort, Workshop: your access is ready");
    assert!(letter.text.starts_with("Hello Ada Bcc: everybody,\n\n"));
    assert_eq!(letter.to.expose(), "ada@buyer.example");
}

#[test]
fn only_the_pending_letter_asks_for_a_link() {
    let [granted, pending] = [MailKind::Granted, MailKind::Pending]
        .map(|kind| sent(kind, &[recipient("Cohort")]).unwrap().text);
    assert!(pending.contains("choose to link"));
    assert!(!granted.contains("link"));
}

#[test]
fn nobody_is_written_to_without_an_address() {
    let nameless = Recipient {
        email: None,
        name: None,
        product: None,
    };
    assert_eq!(sent(MailKind::Granted, &[nameless]), None);
    assert_eq!(sent(MailKind::Granted, &[]), None);
}
