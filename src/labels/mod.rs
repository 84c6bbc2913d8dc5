pub mod rules {
    crate::codes! { /// x
    pub enum LabelStatus { Active = "active" } }
}
pub mod view {
    #[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
    pub struct LabelView {
        pub number: String,
    }
}
pub mod model {
    use crate::db::*;
    use crate::error::Result;
    use std::collections::BTreeMap;
    pub fn of_solutions(_: &mut Db, _: &[Id]) -> Result<BTreeMap<Id, Vec<super::view::LabelView>>> {
        Ok(BTreeMap::new())
    }
    pub fn statuses(_: &mut Db, _: Id) -> Result<Vec<super::rules::LabelStatus>> {
        Ok(vec![])
    }
    pub fn suspend_of_solution(_: &mut Tx<'_>, _: &crate::solutions::model::Solution) -> Result<()> {
        Ok(())
    }
}
pub mod routes {
    pub fn endpoints() -> Vec<crate::http::route::Endpoint> {
        vec![]
    }
}
