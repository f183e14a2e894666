//! The plan as DataFusion shows it.

use std::sync::Arc;

use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use expect_test::expect;
use model::TenantId;
use promql::fragment::{Fragment, Selector, Window};
use promql::grid::Grid;
use promql::stage::FinalStage;
use tokio::time::Instant;

use super::budget::{Budget, BudgetLimits};
use super::remote::{OpenFragment, RemoteFragmentExec};
use super::*;
use crate::engine::turn::Turns;
use crate::testing::MemoryIngesters;

#[tokio::test]
async fn a_plan_is_one_node_over_its_fragments() {
    let metrics = Arc::default();
    let deadline = Instant::now() + std::time::Duration::from_secs(60);
    let turn = Turns::new(1, 1, Arc::clone(&metrics)).wait(deadline).await.unwrap();
    let limits = BudgetLimits { memory_bytes_max: 1 << 20, samples_max: 1000 };
    let context = Arc::new(TaskContext::default());
    let budget = Arc::new(Budget::new(&context, limits, deadline, turn));
    let fragment = Fragment {
        tenant: TenantId::anonymous(),
        grid: Grid::instant(1_000),
        selector: Selector { matchers: vec![], offset_ms: 0 },
        window: Window::Instant { lookback_ms: 300_000 },
        maps: vec![],
        aggregate: None,
    };
    let client = MemoryIngesters::new(2, []);
    let open = OpenFragment::open(&client, fragment.clone(), Arc::clone(&budget), metrics);
    let open = open.await.unwrap();
    let stage = FinalStage::of_fragment(0, &fragment).bind(fragment.grid, &[open.rosters()]);
    let leaf: Arc<dyn ExecutionPlan> = Arc::new(RemoteFragmentExec::new(&fragment, open).unwrap());
    let plan: Arc<dyn ExecutionPlan> =
        Arc::new(PromqlExec::new(stage, vec![leaf], vec![2], budget).unwrap());
    let picture = displayable(&*plan).indent(false).to_string();
    expect![[r#"
        PromqlExec: series #0
          RemoteFragmentExec: {} instant 300000ms
    "#]]
    .assert_eq(&picture);

    let again = plan.execute(0, Arc::clone(&context)).and_then(|_| plan.execute(0, context));
    assert!(again.is_err(), "a fragment is opened once, so it can be executed only once");
}
