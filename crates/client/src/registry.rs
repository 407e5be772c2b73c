//! Finding services, and being found: Synod and Eureka servers.
