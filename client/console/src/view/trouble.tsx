import type { RefusedError } from '../../../sdk/index.ts'
import { faultText } from '../fault-text.ts'

/** An error where it happened: what failed, what to do, and the id that finds it in the hub's logs. */
export function Trouble({ error, what, onRetry }: { error: RefusedError; what: string; onRetry?: () => void }) {
  return (
    <div class="trouble" role="status">
      <p>
        <strong>{what} could not be loaded.</strong> {faultText(error)}
      </p>
      {error.correlation_id !== '' && (
        <p class="request-id">
          Request <code>{error.correlation_id}</code>
        </p>
      )}
      {onRetry && (
        <button type="button" class="button" onClick={onRetry}>
          Retry
        </button>
      )}
    </div>
  )
}
