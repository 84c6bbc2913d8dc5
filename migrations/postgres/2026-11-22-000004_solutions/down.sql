DROP TABLE solution_claims;
DROP TABLE solution_facets;
DROP TABLE solution_versions;
DROP TABLE solution_slugs;
DROP TABLE solutions;
