import type { Schemas } from "../../api/client"
import { fromAddress, toAddress } from "./withoutValue"

export type MessageState = Schemas["MessageItem"]["state"]

export interface MessageSearch {
  from?: string
  to?: string
  campaign?: string
  step?: string
  channel?: string
  provider?: string
  /** States, with commas between them. */
  state?: string
}

export type MessageFilter = Omit<MessageSearch, "state"> & { state?: MessageState[] }

/** A filter as the address of its page has it. */
export const messageSearch = (filter: MessageFilter): MessageSearch => ({
  ...filter,
  provider: toAddress(filter.provider),
  state: filter.state?.join(","),
})

/** The filter of an address, as the API takes it, which refuses a state that there is not. */
export const messageFilter = ({ from, to, campaign, step, channel, provider, state }: MessageSearch): MessageFilter => ({
  from,
  to,
  campaign,
  step,
  channel,
  provider: fromAddress(provider),
  state: state?.split(",") as MessageState[] | undefined,
})
