--- Ghost text of our own, for versions of Neovim without |vim.lsp.inline_completion| (0.10, 0.11).
local insert = require('dsc.insert')

local M = {}

local METHOD = 'textDocument/inlineCompletion'
local INVOKED, AUTOMATIC = 1, 2
--- A burst of keys asks once.
local DEBOUNCE_MILLISECONDS = 30

local namespace = vim.api.nvim_create_namespace('dsc.ghost')
vim.api.nvim_set_hl(0, 'DscGhostText', { default = true, link = 'NonText' })
vim.api.nvim_set_hl(0, 'DscGhostTextCount', { default = true, link = 'MoreMsg' })

--- What is offered in the current buffer: one place in one buffer at a time.
local suggestions = {} --- @type dsc.Suggestion[]
local chosen = 1
local are_all = false -- whether alternatives were asked for: a server makes them on purpose only
local timer = assert((vim.uv or vim.loop).new_timer())
local asked --- @type {client: vim.lsp.Client, id: integer}?

local function clear()
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    vim.api.nvim_buf_clear_namespace(buffer, namespace, 0, -1)
  end
end

--- Stops what is under way and forgets what is offered.
local function cancel()
  timer:stop()
  if asked then
    local client, id = asked.client, asked.id
    asked = nil
    if vim.fn.has('nvim-0.11') == 1 then
      client:cancel_request(id)
    else
      client.cancel_request(id)
    end
  end
  suggestions = {}
  are_all = false
  clear()
end

local function show(count)
  clear()
  local suggestion = suggestions[chosen]
  local rest = suggestion and insert.rest(suggestion)
  if not rest or rest == '' then
    return false
  end
  local lines = vim.tbl_map(function(line)
    return { { line, 'DscGhostText' } }
  end, vim.split(rest, '\n', { plain = true }))
  if count and #suggestions > 1 then
    table.insert(lines[#lines], { (' (%d/%d)'):format(chosen, #suggestions), 'DscGhostTextCount' })
  end
  local column = vim.api.nvim_win_get_cursor(0)[2]
  vim.api.nvim_buf_set_extmark(0, namespace, suggestion.row, column, {
    virt_text = lines[1],
    virt_text_pos = 'inline',
    virt_lines = vim.list_slice(lines, 2),
    hl_mode = 'combine',
  })
  return true
end

local function byte_column(line, character, encoding)
  if encoding == 'utf-8' then
    return math.min(character, #line)
  end
  if vim.fn.has('nvim-0.11') == 1 then
    return vim.str_byteindex(line, encoding, character, false)
  end
  local units = select(encoding == 'utf-16' and 2 or 1, vim.str_utfindex(line))
  return vim.str_byteindex(line, math.min(character, units), encoding == 'utf-16')
end

local function suggestion_of(item, client)
  local cursor = vim.api.nvim_win_get_cursor(0)
  local line = vim.api.nvim_get_current_line()
  local text = type(item.insertText) == 'table' and item.insertText.value or item.insertText
  local suggestion = {
    row = cursor[1] - 1,
    start_column = cursor[2],
    replaced = 0,
    text = text:gsub('\r\n', '\n'),
    command = item.command,
    client_id = client.id,
  }
  if item.range then
    local encoding = client.offset_encoding
    suggestion.row = item.range.start.line
    suggestion.start_column = byte_column(line, item.range.start.character, encoding)
    suggestion.replaced = byte_column(line, item.range['end'].character, encoding) - cursor[2]
  end
  return suggestion
end

local function is_inserting()
  return vim.startswith(vim.api.nvim_get_mode().mode, 'i')
end

--- @param count? integer how many suggestions further the one to show is, if asked for on purpose
local function ask(client, buffer, count)
  local tick = vim.api.nvim_buf_get_changedtick(buffer)
  local cursor = vim.api.nvim_win_get_cursor(0)
  local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  params.context = { triggerKind = count and INVOKED or AUTOMATIC }
  local id
  id = insert.request(client, METHOD, params, function(failure, result)
    if not asked or asked.id ~= id then
      return
    end
    asked = nil
    -- An answer for a text or a place that is no more is no answer.
    local is_current = vim.api.nvim_get_current_buf() == buffer
      and vim.api.nvim_buf_get_changedtick(buffer) == tick
      and vim.deep_equal(vim.api.nvim_win_get_cursor(0), cursor)
    if failure or not result or not is_current or not is_inserting() then
      return
    end
    local items = result.items or result
    if count and #items == 0 then
      return
    end
    -- Who asks without seeing anything wants to see the first.
    local step = #suggestions > 0 and count or 0
    suggestions = vim.tbl_map(function(item)
      return suggestion_of(item, client)
    end, items)
    are_all = count ~= nil
    chosen = step % math.max(1, #suggestions) + 1
    show(are_all)
  end, buffer)
  asked = id and { client = client, id = id }
end

local function update(client, buffer)
  -- What was typed along a suggestion leaves the rest of it.
  if not asked and show() then
    return
  end
  cancel()
  timer:start(DEBOUNCE_MILLISECONDS, 0, vim.schedule_wrap(function()
    if is_inserting() and vim.api.nvim_get_current_buf() == buffer then
      ask(client, buffer)
    end
  end))
end

function M.accept(cut, otherwise)
  local suggestion = suggestions[chosen]
  local rest = suggestion and insert.rest(suggestion)
  if not rest or rest == '' then
    return false
  end
  -- The buffer may not be changed while an <expr> mapping is evaluated, which may be before the
  -- key that was pressed before it is in the buffer.
  vim.schedule(function()
    if not insert.take(suggestion, cut) then
      otherwise()
    end
  end)
  return true
end

function M.dismiss()
  local was_shown = #suggestions > 0
  cancel()
  return was_shown
end

function M.attach() end

--- @param client vim.lsp.Client
function M.select(count, client)
  if are_all and #suggestions > 0 then
    chosen = (chosen - 1 + count) % #suggestions + 1
    show(true)
  elseif not asked and is_inserting() then
    timer:stop()
    ask(client, vim.api.nvim_get_current_buf(), count)
  end
end

function M.enable(enabled, buffer)
  local group = vim.api.nvim_create_augroup('dsc.ghost.' .. buffer, {})
  cancel()
  if not enabled then
    return
  end
  local function on(events, callback)
    vim.api.nvim_create_autocmd(events, { group = group, buffer = buffer, callback = callback })
  end
  on({ 'InsertEnter', 'CursorMovedI', 'TextChangedI', 'TextChangedP' }, function()
    local client = vim.lsp.get_clients({ name = 'dsc', bufnr = buffer })[1]
    if client then
      update(client, buffer)
    end
  end)
  on({ 'InsertLeave', 'BufLeave' }, cancel)
end

return M
