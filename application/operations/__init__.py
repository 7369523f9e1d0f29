"""Operations on many journeys or users: one module a kind, and their runner."""
