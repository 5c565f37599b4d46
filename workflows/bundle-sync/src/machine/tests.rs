//! Every order of every small set of messages, and every status with every message.

use super::*;

/// All sequences of up to `longest` of `messages`, repetitions included.
fn sequences<M: Copy>(messages: &[M], longest: usize) -> Vec<Vec<M>> {
    let mut all = vec![Vec::new()];
    let mut last = all.clone();
    for _ in 0..longest {
        last = last
            .iter()
            .flat_map(|begun: &Vec<M>| {
                messages.iter().map(|message| {
                    let mut longer = begun.clone();
                    longer.push(*message);
                    longer
                })
            })
            .collect();
        all.extend(last.iter().cloned());
    }
    all
}

fn sync_end(messages: &[SyncMessage]) -> Option<SyncStatus> {
    messages.iter().fold(None, |row, m| sync_after(row, *m))
}

/// Grants are asked about with what the app knows of links at that moment.
#[derive(Clone, Copy, PartialEq)]
enum Heard {
    Purchased,
    Linked,
    Revoked,
}

fn grant_end(messages: &[Heard]) -> Option<GrantStatus> {
    let (mut grant, mut linked) = (None, false);
    for message in messages {
        grant = match message {
            Heard::Purchased => grant_after(grant, GrantMessage::Purchased { linked }),
            Heard::Revoked => grant_after(grant, GrantMessage::Revoked),
            Heard::Linked => {
                linked = true;
                grant_after(grant, GrantMessage::Claimed)
            }
        };
    }
    grant
}

const SYNC_STATUSES: [Option<SyncStatus>; 5] = [
    None,
    Some(SyncStatus::Pending),
    Some(SyncStatus::Failed),
    Some(SyncStatus::Synced),
    Some(SyncStatus::Revoked),
];

const SYNC_MESSAGES: [SyncMessage; 6] = [
    SyncMessage::Purchased,
    SyncMessage::GaveUp,
    SyncMessage::Replayed,
    SyncMessage::Granted,
    SyncMessage::Refunded,
    SyncMessage::Revoked,
];

#[test]
fn any_order_of_what_the_apps_tell_each_other_ends_a_sync_row_in_the_same_status() {
    use SyncMessage::{Granted, Purchased, Revoked};
    for messages in sequences(&[Purchased, Granted, Revoked], 7) {
        let expected = if messages.contains(&Revoked) {
            Some(SyncStatus::Revoked)
        } else if messages.contains(&Granted) {
            Some(SyncStatus::Synced)
        } else if messages.contains(&Purchased) {
            Some(SyncStatus::Pending)
        } else {
            None
        };
        assert_eq!(sync_end(&messages), expected, "{messages:?}");
    }
}

#[test]
fn whatever_else_happens_on_the_way_a_grant_ends_synced_and_a_revocation_ends_revoked() {
    for messages in sequences(&SYNC_MESSAGES, 5) {
        let end = sync_end(&messages);
        if messages.contains(&SyncMessage::Revoked) {
            assert_eq!(end, Some(SyncStatus::Revoked), "{messages:?}");
        } else if messages.contains(&SyncMessage::Granted)
            && !messages.contains(&SyncMessage::Refunded)
        {
            assert_eq!(end, Some(SyncStatus::Synced), "{messages:?}");
        }
    }
}

#[test]
fn a_sync_row_only_goes_forward_but_for_a_message_that_is_sent_again() {
    for status in SYNC_STATUSES {
        for message in SYNC_MESSAGES {
            let after = sync_after(status, message);
            let replayed = status == Some(SyncStatus::Failed) && message == SyncMessage::Replayed;
            assert!(after >= status || replayed, "{status:?} {message:?}");
            assert_eq!(sync_after(after, message), after, "{status:?} {message:?}");
        }
    }
}

#[test]
fn a_refund_before_anybody_was_told_keeps_the_late_purchase_silent() {
    let first = [SyncMessage::Refunded, SyncMessage::Purchased];
    assert_eq!(sync_end(&first), Some(SyncStatus::Revoked));
    let told = [SyncMessage::Purchased, SyncMessage::Refunded];
    assert_eq!(sync_end(&told), Some(SyncStatus::Pending));
}

#[test]
fn any_order_of_purchase_link_and_revocation_ends_a_grant_in_the_same_status() {
    use Heard::{Linked, Purchased, Revoked};
    for messages in sequences(&[Purchased, Linked, Revoked], 7) {
        let expected = if messages.contains(&Revoked) {
            Some(GrantStatus::Revoked)
        } else if !messages.contains(&Purchased) {
            None
        } else if messages.contains(&Linked) {
            Some(GrantStatus::Active)
        } else {
            Some(GrantStatus::Pending)
        };
        assert_eq!(grant_end(&messages), expected);
    }
}

#[test]
fn a_grant_only_goes_forward() {
    let statuses = [
        None,
        Some(GrantStatus::Pending),
        Some(GrantStatus::Active),
        Some(GrantStatus::Revoked),
    ];
    let messages = [
        GrantMessage::Purchased { linked: false },
        GrantMessage::Purchased { linked: true },
        GrantMessage::Claimed,
        GrantMessage::Revoked,
    ];
    for status in statuses {
        for message in messages {
            let after = grant_after(status, message);
            assert!(after >= status, "{status:?} {message:?}");
            assert_eq!(grant_after(after, message), after, "{status:?} {message:?}");
        }
    }
}

#[test]
fn a_removed_link_stays_removed_in_any_order() {
    for messages in sequences(&[LinkMessage::Linked, LinkMessage::Removed], 5) {
        let end = messages
            .iter()
            .fold(None, |link, message| Some(link_after(link, *message)));
        let removed = messages.contains(&LinkMessage::Removed);
        let expected = match (messages.is_empty(), removed) {
            (true, _) => None,
            (false, true) => Some(LinkStatus::Removed),
            (false, false) => Some(LinkStatus::Linked),
        };
        assert_eq!(end, expected, "{messages:?}");
    }
}
