-- The roles and the database of the site. Run once by psql as a superuser, with -v for the variables.
-- Web processes connect through PgBouncer, which passes no settings on, so their role has the limits
-- of .env.example.
CREATE ROLE booking LOGIN PASSWORD :'password';
CREATE ROLE booking_web LOGIN PASSWORD :'web_password' IN ROLE booking;
ALTER ROLE booking_web SET random_page_cost = 1.1;
ALTER ROLE booking_web SET lock_timeout = 3000;
ALTER ROLE booking_web SET statement_timeout = 5000;
ALTER ROLE booking_web SET idle_in_transaction_session_timeout = 10000;
-- REPLICA_URL: web processes see what the replica has received.
GRANT pg_read_all_stats TO booking_web;
CREATE DATABASE booking OWNER booking;
