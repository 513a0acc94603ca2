"""The pages of datasets: builder, one dataset, all of them, a comparison, consent. Thin views and what they show."""
