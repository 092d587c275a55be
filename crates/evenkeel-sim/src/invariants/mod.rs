//! What must hold at every moment of every story. One file each, one line in [`all`].

mod a_good_way_is_taken;
mod account_adds_up;
mod actions_leave_somebody;
mod actions_rest;
mod agents_call_again;
mod calm_stays_calm;
mod elsewhere_stays_up;
mod epochs_grow;
mod fresh_orders_are_taken;
mod gone_agents_harm_nobody;
mod heals;
mod hold_is_respected;
mod incidents_close;
mod journal_replays;
mod least_share_ejected;
mod no_jump_in_a_ramp;
mod nothing_done_twice;
mod one_action_at_a_time;
mod one_agent_a_name;
mod orders_are_respected;
mod orders_elsewhere_once;
mod probed_often_enough;
mod reload_changes_nothing;
mod retry_budget;
mod returns_are_held;
mod services_one_by_one;
mod somewhere_to_go;
mod stale_fence;
mod suspects_leave_somebody;
mod told_as_it_is;
mod trial_permits;
mod usable_first;

use crate::scene::{Note, Scene};

/// Something that must always hold.
pub trait Invariant: std::fmt::Debug {
    /// In words.
    fn name(&self) -> &'static str;
    /// Looks at what just happened; says what is wrong with it.
    fn see(&mut self, note: &Note<'_>, scene: &Scene) -> Result<(), String>;
}

/// All of them, fresh.
pub fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::<somewhere_to_go::SomewhereToGo>::default(),
        Box::<usable_first::UsableFirst>::default(),
        Box::<reload_changes_nothing::ReloadChangesNothing>::default(),
        Box::<no_jump_in_a_ramp::NoJumpInARamp>::default(),
        Box::<stale_fence::StaleFence>::default(),
        Box::<orders_are_respected::OrdersAreRespected>::default(),
        Box::<least_share_ejected::LeastShareEjected>::default(),
        Box::<suspects_leave_somebody::SuspectsLeaveSomebody>::default(),
        Box::<epochs_grow::EpochsGrow>::default(),
        Box::<hold_is_respected::HoldIsRespected>::default(),
        Box::<retry_budget::RetryBudget>::default(),
        Box::<probed_often_enough::ProbedOftenEnough>::default(),
        Box::<trial_permits::TrialPermits>::default(),
        Box::<services_one_by_one::ServicesOneByOne>::default(),
        Box::<incidents_close::IncidentsClose>::default(),
        Box::<account_adds_up::AccountAddsUp>::default(),
        Box::<calm_stays_calm::CalmStaysCalm>::default(),
        Box::<one_action_at_a_time::OneActionAtATime>::default(),
        Box::<actions_rest::ActionsRest>::default(),
        Box::<actions_leave_somebody::ActionsLeaveSomebody>::default(),
        Box::<nothing_done_twice::NothingDoneTwice>::default(),
        Box::<agents_call_again::AgentsCallAgain>::default(),
        Box::<elsewhere_stays_up::ElsewhereStaysUp>::default(),
        Box::<fresh_orders_are_taken::FreshOrdersAreTaken>::default(),
        Box::<gone_agents_harm_nobody::GoneAgentsHarmNobody>::default(),
        Box::<one_agent_a_name::OneAgentAName>::default(),
        Box::<orders_elsewhere_once::OrdersElsewhereOnce>::default(),
        Box::<told_as_it_is::ToldAsItIs>::default(),
        Box::<a_good_way_is_taken::AGoodWayIsTaken>::default(),
        Box::<returns_are_held::ReturnsAreHeld>::default(),
        Box::<journal_replays::JournalReplays>::default(),
        Box::<heals::Heals>::default(),
    ]
}
