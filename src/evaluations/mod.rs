pub mod rules;
pub mod view {
    #[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
    pub struct ScoresView {
        pub overall: super::rules::Score,
    }
}
pub mod model {
    use crate::db::*;
    use std::collections::BTreeMap;
    pub fn scores_in_force(_: &mut Db, _: &[Id]) -> crate::error::Result<BTreeMap<Id, super::view::ScoresView>> {
        Ok(BTreeMap::new())
    }
}
pub mod routes {
    pub fn endpoints() -> Vec<crate::http::route::Endpoint> {
        vec![]
    }
}
