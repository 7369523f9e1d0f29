import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query"
import { RouterProvider } from "@tanstack/react-router"
import { createRoot } from "react-dom/client"
import { problemOf } from "./api/problem"
import { router } from "./routes"
import { sessionQuery } from "./session/session"
import { applyTheme, storedTheme } from "./shell/theme"
import "./styles/tokens.css"
import "./styles/base.css"
import "./styles/shell.css"
import "./styles/parts.css"

applyTheme(storedTheme())

const queries: QueryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      // A refusal stays one; a lost connection may come back.
      retry: (count, error) => problemOf(error).status === 0 && count < 2,
    },
  },
  queryCache: new QueryCache({
    onError: (error, { queryKey }) => {
      // The session has ended: the shell asks for it, and shows the way in.
      if (problemOf(error).status === 401 && queryKey[0] !== "session") {
        void queries.resetQueries({ queryKey: sessionQuery.queryKey })
      }
    },
  }),
})

createRoot(document.getElementById("root")!).render(
  <QueryClientProvider client={queries}>
    <RouterProvider router={router} />
  </QueryClientProvider>,
)
